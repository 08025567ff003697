#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "tokenizer/byte_level_bpe.h"
#include "tokenizer/sentencepiece_tokenizer.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_json.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

// Positions are 32-bit inside the encoders; far above any context, too.
constexpr size_t kMaxTextBytes = size_t{1} << 28;

std::unique_ptr<Tokenizer> load_sentencepiece(const fs::path& model_path,
                                              const TokenizerConfig& config,
                                              std::vector<AddedToken> added_tokens) {
  return std::make_unique<SentencePieceTokenizer>(read_file(model_path), model_path.string(),
                                                  config, std::move(added_tokens));
}

std::unique_ptr<Tokenizer> load_tokenizer_json(const fs::path& json_path,
                                               const fs::path& model_path,
                                               const TokenizerConfig& config) {
  const nlohmann::json document = read_json_file(json_path);
  const JsonView file(document, json_path.string());
  if (!is_byte_level(file) && fs::exists(model_path)) {
    return load_sentencepiece(model_path, config, read_added_tokens(file));
  }
  return std::make_unique<ByteLevelBpe>(read_tokenizer_json(file, config));
}

}  // namespace

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::string text;
  DecodeState state = begin_decoding();
  for (int32_t id : ids) {
    if (id < 0 || id >= vocab_size()) {
      throw TokenizerError("token id " + std::to_string(id) + ": expected one from 0 to " +
                           std::to_string(vocab_size() - 1));
    }
    append_text(id, skip_special_tokens, state, text);
  }
  finish_text(state, text);
  return text;
}

std::string Tokenizer::token_bytes(int32_t id) const {
  std::string text;
  DecodeState state = begin_decoding();
  state.at_start = false;
  append_text(id, /*skip_special_tokens=*/false, state, text);
  finish_text(state, text);
  return text;
}

void Tokenizer::check_text(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    throw TokenizerError("text: expected at most " + std::to_string(kMaxTextBytes) +
                         " bytes, got " + std::to_string(text.size()));
  }
  const size_t invalid = find_invalid_utf8(text);
  if (invalid != std::string_view::npos) {
    throw TokenizerError("text: expected UTF-8, got an invalid sequence at byte " +
                         std::to_string(invalid));
  }
}

void Tokenizer::surround(std::vector<int32_t>& ids, const std::vector<int32_t>& prefix,
                         const std::vector<int32_t>& suffix) {
  const bool has_prefix =
      ids.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), ids.begin());
  if (!has_prefix) ids.insert(ids.begin(), prefix.begin(), prefix.end());
  ids.insert(ids.end(), suffix.begin(), suffix.end());
}

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& path) {
  if (!fs::exists(path)) throw TokenizerError(path.string() + ": no such file or directory");
  if (!fs::is_directory(path)) {
    const TokenizerConfig no_config;
    if (path.extension() == ".json") return load_tokenizer_json(path, "", no_config);
    return load_sentencepiece(path, no_config, {});
  }
  const TokenizerConfig config = read_tokenizer_config(path);
  const fs::path model = path / "tokenizer.model";
  const fs::path json = path / "tokenizer.json";
  const fs::path vocab = path / "vocab.json";
  const fs::path merges = path / "merges.txt";
  if (fs::exists(json)) return load_tokenizer_json(json, model, config);
  if (fs::exists(model)) return load_sentencepiece(model, config, {});
  if (fs::exists(vocab) && fs::exists(merges)) {
    return std::make_unique<ByteLevelBpe>(read_vocab_and_merges(vocab, merges, config));
  }
  throw TokenizerError(
      path.string() +
      ": no tokenizer: expected tokenizer.model, tokenizer.json, or vocab.json with "
      "merges.txt");
}

std::vector<fs::path> tokenizer_files(const fs::path& directory) {
  if (fs::is_regular_file(directory)) return {directory};
  std::vector<fs::path> files;
  for (const char* name :
       {"tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja"}) {
    if (fs::is_regular_file(directory / name)) files.push_back(directory / name);
  }
  return files;
}

}  // namespace eet
