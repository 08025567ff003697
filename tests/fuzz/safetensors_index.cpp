// model.safetensors.index.json, beside one shard and a file that is not the model's.
#include <string>

#include "lib/core/error.h"
#include "tests/fuzz/memory_directory.h"
#include "weights_tools/formats/safetensors.h"

namespace eet {
namespace {

// A file with two tensors of one float each.
std::string small_file() {
  std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
  const uint64_t bytes = header.size();
  std::string file(reinterpret_cast<const char*>(&bytes), sizeof bytes);
  return file + header + std::string(8, '\0');
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  static const MemoryDirectory directory;
  static const bool made = [] {
    std::filesystem::create_directory(directory.path() / "model");
    directory.write("other.safetensors", small_file());
    directory.write("model/one.safetensors", small_file());
    return true;
  }();
  expect(made, "files");
  directory.write("model/model.safetensors.index.json", FuzzInput(data, size).rest());
  try {
    for (const auto& [name, tensor] : read_safetensors_directory(directory.path() / "model")) {
      expect(tensor.file->path().filename() == "one.safetensors", "a shard of the model's folder");
    }
  } catch (const Error&) {
    return 0;
  }
  return 0;
}
