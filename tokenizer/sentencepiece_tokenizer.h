// SentencePiece models (tokenizer.model), encoded by the SentencePiece library itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace eet {

// Without a tokenizer_config.json, what the library gives: control symbols have no text and are not
// found in text. With one, what transformers' LlamaTokenizer gives: the tokens that the
// configuration names are split off first, and show as their text.
class SentencePieceTokenizer final : public Tokenizer {
 public:
  // `model` is the content of `file`, which messages name. TokenizerError when the library cannot
  // load the model.
  SentencePieceTokenizer(const std::string& model, const std::string& file,
                         const TokenizerConfig& config);
  ~SentencePieceTokenizer() override;

  std::vector<int32_t> encode(std::string_view text, bool add_special_tokens) const override;
  std::vector<int32_t> prefix_ids() const override { return prefix_ids_; }
  int32_t vocab_size() const override { return static_cast<int32_t>(pieces_.size()); }
  std::optional<int32_t> bos_id() const override { return bos_id_; }
  std::optional<int32_t> eos_id() const override { return eos_id_; }
  bool is_special(int32_t id) const override;
  std::string token_bytes(int32_t id) const override;
  std::string kind() const override { return "SentencePiece"; }
  DecodeState begin_decoding() const override;
  void append_text(int32_t id, bool skip_special_tokens, DecodeState& state,
                   std::string& text) const override;
  void finish_text(DecodeState& state, std::string& text) const override { state.utf8.flush(text); }

 private:
  using Processor = sentencepiece::SentencePieceProcessor;

  // What an id is in text.
  struct Piece {
    enum class Kind { kText, kByte, kNone };
    Kind kind = Kind::kNone;
    bool special = false;
    bool is_word_start = false;  // `text` begins with the space that stands for U+2581
    std::string text;            // of kByte, the byte
  };
  // What the library does to word-start spaces before any other text.
  enum class LeadingSpaces { kKept, kFirstDropped, kAllDropped };

  void read_pieces(const std::string& file);
  void read_added_tokens(const TokenizerConfig& config, const std::string& file);
  LeadingSpaces probe_leading_spaces() const;
  std::optional<int32_t> piece_id(const std::string& content) const;
  void encode_segment(std::string_view text, bool is_first, std::vector<int32_t>& ids) const;

  std::unique_ptr<Processor> processor_;
  std::unique_ptr<Processor> no_prefix_processor_;  // puts no dummy prefix; null where not needed
  bool prefix_every_segment_;
  bool prefix_first_segment_;
  std::vector<Piece> pieces_;  // by id
  std::optional<AddedTokens> added_tokens_;
  LeadingSpaces leading_spaces_;
  std::optional<int32_t> bos_id_;
  std::optional<int32_t> eos_id_;
  std::vector<int32_t> prefix_ids_;
  std::vector<int32_t> suffix_ids_;
};

}  // namespace eet
