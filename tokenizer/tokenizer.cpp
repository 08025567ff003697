#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "tokenizer/pipeline_tokenizer.h"
#include "tokenizer/sentencepiece_tokenizer.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_json.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

// Positions are 32-bit inside the encoders; far above any context, too.
constexpr size_t kMaxTextBytes = size_t{1} << 28;

std::unique_ptr<Tokenizer> load_tokenizer_json(const fs::path& path, const TokenizerConfig& config,
                                               Links links = Links::kInsideFolder) {
  const nlohmann::json document = read_json_file(path, links);
  return std::make_unique<PipelineTokenizer>(
      read_tokenizer_json(JsonView(document, path.string()), config));
}

std::unique_ptr<Tokenizer> load_sentencepiece(const fs::path& path, const TokenizerConfig& config,
                                              Links links = Links::kInsideFolder) {
  return std::make_unique<SentencePieceTokenizer>(read_file(path, links), path.string(), config);
}

// Merging a word's symbols takes up to 60 bytes for each of its bytes.
constexpr size_t kMaxWordBytes = size_t{1} << 23;

}  // namespace

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens,
                              size_t max_bytes) const {
  std::string text;
  DecodeState state = begin_decoding();
  for (int32_t id : ids) {
    if (id < 0 || id >= vocab_size()) {
      throw TokenizerError("token id " + std::to_string(id) + ": expected one from 0 to " +
                           std::to_string(vocab_size() - 1));
    }
    append_text(id, skip_special_tokens, state, text);
    if (text.size() > max_bytes) {
      throw TokenizerError("token ids: expected at most " + std::to_string(max_bytes) +
                           " bytes of text, got more: cut the list");
    }
  }
  finish_text(state, text);
  return text;
}

void Tokenizer::check_length(size_t bytes) {
  if (bytes <= kMaxTextBytes) return;
  throw TokenizerError("text: expected at most " + std::to_string(kMaxTextBytes) + " bytes, got " +
                       std::to_string(bytes));
}

std::string Tokenizer::token_bytes(int32_t id) const {
  std::string text;
  DecodeState state = begin_decoding();
  state.at_start = false;
  append_text(id, /*skip_special_tokens=*/false, state, text);
  finish_text(state, text);
  return text;
}

void Tokenizer::check_word_length(size_t bytes) {
  if (bytes <= kMaxWordBytes) return;
  throw TokenizerError("text: expected stretches of at most " + std::to_string(kMaxWordBytes) +
                       " bytes between the places where this tokenizer splits text, got " +
                       std::to_string(bytes) + ": cut the text");
}

void Tokenizer::check_text(std::string_view text) {
  check_length(text.size());
  const size_t invalid = find_invalid_utf8(text);
  if (invalid != std::string_view::npos) {
    throw TokenizerError("text: expected UTF-8, got an invalid sequence at byte " +
                         std::to_string(invalid));
  }
}

std::vector<int32_t> Tokenizer::encode_prompt(std::string_view text) const {
  std::vector<int32_t> ids = encode(text, /*add_special_tokens=*/true);
  const std::vector<int32_t> prefix = prefix_ids();
  const auto size = static_cast<std::ptrdiff_t>(prefix.size());
  const bool has_two = ids.size() >= 2 * prefix.size() &&
                       std::equal(prefix.begin(), prefix.end(), ids.begin()) &&
                       std::equal(prefix.begin(), prefix.end(), ids.begin() + size);
  if (has_two) ids.erase(ids.begin(), ids.begin() + size);
  return ids;
}

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& path) {
  if (!fs::exists(path)) throw TokenizerError(path.string() + ": no such file or directory");
  if (!fs::is_directory(path)) {
    const TokenizerConfig no_config;
    if (path.extension() == ".json") return load_tokenizer_json(path, no_config, Links::kAnywhere);
    return load_sentencepiece(path, no_config, Links::kAnywhere);
  }
  const TokenizerConfig config = read_tokenizer_config(path);
  const fs::path model = path / "tokenizer.model";
  const fs::path json = path / "tokenizer.json";
  const fs::path vocab = path / "vocab.json";
  const fs::path merges = path / "merges.txt";
  if (fs::exists(json)) return load_tokenizer_json(json, config);
  if (fs::exists(model)) return load_sentencepiece(model, config);
  if (fs::exists(vocab) && fs::exists(merges)) {
    return std::make_unique<PipelineTokenizer>(read_vocab_and_merges(vocab, merges, config));
  }
  throw TokenizerError(
      path.string() +
      ": no tokenizer: expected tokenizer.model, tokenizer.json, or vocab.json with "
      "merges.txt");
}

std::vector<fs::path> tokenizer_files(const fs::path& directory) {
  if (!fs::is_directory(directory)) {
    return fs::exists(directory) ? std::vector{directory} : std::vector<fs::path>();
  }
  std::vector<fs::path> files;
  for (const char* name :
       {"tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja"}) {
    // A pipe or a link to nothing is there, too: whoever reads it says what is wrong with it.
    if (fs::exists(fs::symlink_status(directory / name))) files.push_back(directory / name);
  }
  return files;
}

}  // namespace eet
