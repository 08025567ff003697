// Text to token ids and back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace eet {

// A tokenizer that cannot be loaded or a text that cannot be encoded; the message names file, what
// was expected, and what was found.
class TokenizerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids of `text`, which must be valid UTF-8 (TokenizerError otherwise). `add_special_tokens` adds
  // what the model's reference tokenizer adds: exactly one BOS where it wants one, even when the
  // text already starts with it.
  virtual std::vector<int32_t> encode(std::string_view text, bool add_special_tokens) const = 0;

  // What the reference tokenizer's decode gives for all of `ids`. Bytes that do not form UTF-8 come
  // out as U+FFFD, as there. Throws TokenizerError on an id outside the vocabulary.
  virtual std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const = 0;

  virtual int32_t vocab_size() const = 0;  // one past the largest id
  virtual std::optional<int32_t> bos_id() const = 0;
  virtual std::optional<int32_t> eos_id() const = 0;
  virtual bool is_special(int32_t id) const = 0;
  virtual std::string kind() const = 0;  // "SentencePiece BPE", "byte-level BPE": for `inspect`

};

// Loads the tokenizer of a model directory from tokenizer.model, tokenizer.json, or vocab.json and
// merges.txt (with tokenizer_config.json and special_tokens_map.json where present). tokenizer.json
// wins over vocab.json, and tokenizer.model over both for families whose reference tokenizer is
// SentencePiece.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& directory);

// Files of `directory` that make up its tokenizer, for copying to a converted model.
std::vector<std::filesystem::path> tokenizer_files(const std::filesystem::path& directory);

}  // namespace eet
