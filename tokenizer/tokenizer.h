// Text to token ids and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/decode_state.h"

namespace eet {

// A tokenizer that cannot be loaded or a text that cannot be encoded; the message names file, what
// was expected, and what was found.
class TokenizerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A file of the tokenizer's that cannot be read.
class TokenizerFileError : public TokenizerError {
 public:
  using TokenizerError::TokenizerError;
};

// Immutable once loaded: any number of threads may use one at the same time.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids of `text`, which must be valid UTF-8 (TokenizerError otherwise): those of the model's
  // reference tokenizer. `add_special_tokens` adds what that adds: most often a BOS, a second one
  // where the text itself begins with one.
  virtual std::vector<int32_t> encode(std::string_view text, bool add_special_tokens) const = 0;

  // The same for the prompt of a model, which wants exactly one BOS: what stands before any text is
  // not added to a text that begins with it.
  std::vector<int32_t> encode_prompt(std::string_view text) const;

  // What the reference tokenizer's decode gives for all of `ids`. Bytes that do not form UTF-8 come
  // out as U+FFFD, as there. Throws TokenizerError on an id outside [0, vocab_size()), and when the
  // text becomes longer than `max_bytes`; an id inside that stands for no token gives no text.
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens,
                     size_t max_bytes = SIZE_MAX) const;

  virtual int32_t vocab_size() const = 0;  // one past the largest id
  virtual std::optional<int32_t> bos_id() const = 0;
  virtual std::optional<int32_t> eos_id() const = 0;
  virtual bool is_special(int32_t id) const = 0;
  // The bytes that `id` stands for inside a text, which need not be whole characters; none where it
  // stands for no token.
  virtual std::string token_bytes(int32_t id) const;
  virtual std::string kind() const = 0;  // "SentencePiece", "byte-level BPE": for `inspect`

  // Decoding in steps, which `decode` and IncrementalDecoder share, so that they cannot differ:
  // begin_decoding, then append_text for each id, then finish_text. An id without a token adds
  // nothing.
  virtual DecodeState begin_decoding() const = 0;
  virtual void append_text(int32_t id, bool skip_special_tokens, DecodeState& state,
                           std::string& text) const = 0;
  virtual void finish_text(DecodeState& state, std::string& text) const = 0;

 protected:
  // Throws TokenizerError unless `text` is valid UTF-8 of a length that can be encoded.
  static void check_text(std::string_view text);
  static void check_length(size_t bytes);
  // Throws TokenizerError where a text has too long a stretch that has to be encoded as one.
  static void check_word_length(size_t bytes);

  // What add_special_tokens puts before a text.
  virtual std::vector<int32_t> prefix_ids() const = 0;
};

// Loads the tokenizer of a model directory, from the first of these that is there, as transformers
// does: tokenizer.json; tokenizer.model; vocab.json and merges.txt. tokenizer_config.json,
// special_tokens_map.json and added_tokens.json add to it. `path` may also name one SentencePiece
// file (*.model) or one tokenizer.json.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path);

// Files of `directory` that make up its tokenizer, for copying to a converted model. Given one
// file, as load_tokenizer takes it too, that file.
std::vector<std::filesystem::path> tokenizer_files(const std::filesystem::path& directory);

}  // namespace eet
