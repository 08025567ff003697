#include "app/job/text/model_tokenizer.h"

#include <utility>

#include "tokenizer/gguf_vocabulary.h"
#include "weights_tools/formats/gguf.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

bool is_gguf_file(const fs::path& path) {
  return fs::exists(path) && !fs::is_directory(path) && is_gguf(path);
}

// Views point into `metadata`'s file.
GgufVocabulary vocabulary_of(const GgufMetadata& metadata) {
  const auto text = [&](std::string_view key) {
    return std::string(metadata.string(key).value_or(""));
  };
  GgufVocabulary vocabulary;
  vocabulary.file = metadata.file_name();
  vocabulary.architecture = text("general.architecture");
  vocabulary.model = text("tokenizer.ggml.model");
  vocabulary.pre = text("tokenizer.ggml.pre");
  vocabulary.tokens = metadata.strings("tokenizer.ggml.tokens");
  vocabulary.scores = metadata.numbers("tokenizer.ggml.scores");
  for (const double type : metadata.numbers("tokenizer.ggml.token_type")) {
    vocabulary.types.push_back(static_cast<int64_t>(type));
  }
  vocabulary.merges = metadata.strings("tokenizer.ggml.merges");
  vocabulary.bos_id = metadata.integer("tokenizer.ggml.bos_token_id");
  vocabulary.eos_id = metadata.integer("tokenizer.ggml.eos_token_id");
  vocabulary.unk_id = metadata.integer("tokenizer.ggml.unknown_token_id");
  vocabulary.pad_id = metadata.integer("tokenizer.ggml.padding_token_id");
  vocabulary.add_bos = metadata.boolean("tokenizer.ggml.add_bos_token");
  vocabulary.add_eos = metadata.boolean("tokenizer.ggml.add_eos_token");
  vocabulary.add_space_prefix = metadata.boolean("tokenizer.ggml.add_space_prefix");
  vocabulary.remove_extra_whitespaces = metadata.boolean("tokenizer.ggml.remove_extra_whitespaces");
  vocabulary.chat_template = text("tokenizer.chat_template");
  return vocabulary;
}

}  // namespace

bool has_tokenizer(const fs::path& path) {
  if (!is_gguf_file(path)) return !tokenizer_files(path).empty();
  const Gguf gguf = read_gguf(path);
  const auto model = gguf.metadata.string("tokenizer.ggml.model");
  return model && *model != "none" && *model != "no_vocab";
}

std::unique_ptr<Tokenizer> open_tokenizer(const fs::path& path) {
  if (!is_gguf_file(path)) return load_tokenizer(path);
  const Gguf gguf = read_gguf(path);
  return load_tokenizer(vocabulary_of(gguf.metadata));
}

std::optional<ChatTemplate> open_chat_template(const fs::path& path) {
  if (!is_gguf_file(path)) {
    return ChatTemplate::load(fs::is_directory(path) ? path : path.parent_path());
  }
  const Gguf gguf = read_gguf(path);
  return load_chat_template(vocabulary_of(gguf.metadata));
}

std::map<std::string, std::string> gguf_tokenizer_files(const fs::path& path) {
  const Gguf gguf = read_gguf(path);
  std::map<std::string, std::string> files;
  for (TextFile& file : tokenizer_files(vocabulary_of(gguf.metadata))) {
    files.emplace(std::move(file.name), std::move(file.contents));
  }
  return files;
}

}  // namespace eet
