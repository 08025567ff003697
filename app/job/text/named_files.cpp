#include "app/job/text/named_files.h"

#include "tokenizer/tokenizer.h"

namespace eet {

FileIds named_files_of(const std::filesystem::path& model) {
  FileIds ids;
  for (const std::filesystem::path& file : tokenizer_files(model)) {
    ids.push_back(id_of_file(file.string()));
  }
  for (const char* name : {"config.json", "generation_config.json", "eet.json", "model.safetensors",
                           "model.safetensors.index.json"}) {
    ids.push_back(id_of_file((model / name).string()));
  }
  return ids;
}

}  // namespace eet
