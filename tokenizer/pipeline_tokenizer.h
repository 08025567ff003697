// Tokenizers as Hugging Face's library has them: what a tokenizer.json describes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/models/model.h"
#include "tokenizer/pipeline/decoders.h"
#include "tokenizer/pipeline/normalizers.h"
#include "tokenizer/pipeline/post_processor.h"
#include "tokenizer/pipeline/pre_tokenizers.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/word_cache.h"

namespace eet {

// Everything that defines one tokenizer; the files' readers fill it in.
struct PipelineSpec {
  std::string file;  // for messages
  Normalizers normalizers;
  PreTokenizers pre_tokenizers;
  std::unique_ptr<Model> model;
  PostProcessor post_processor;
  Decoders decoders;
  std::vector<AddedToken> added_tokens;
  std::optional<int32_t> bos_id;
  std::optional<int32_t> eos_id;
};

// Text: added tokens that are not normalised, normalizers, the other added tokens, pre-tokenizers,
// the model for each word, the post-processor.
class PipelineTokenizer final : public Tokenizer {
 public:
  // TokenizerError, naming the file, for parts that contradict each other.
  explicit PipelineTokenizer(PipelineSpec spec);

  std::vector<int32_t> encode(std::string_view text, bool add_special_tokens) const override;
  std::vector<int32_t> prefix_ids() const override { return spec_.post_processor.prefix(); }
  int32_t vocab_size() const override { return vocab_size_; }
  std::optional<int32_t> bos_id() const override { return spec_.bos_id; }
  std::optional<int32_t> eos_id() const override { return spec_.eos_id; }
  bool is_special(int32_t id) const override;
  std::string kind() const override;
  DecodeState begin_decoding() const override { return spec_.decoders.begin(); }
  void append_text(int32_t id, bool skip_special_tokens, DecodeState& state,
                   std::string& text) const override;
  void finish_text(DecodeState& state, std::string& text) const override {
    spec_.decoders.finish(state, text);
  }

 private:
  NormalizedText normalize(NormalizedText text) const;
  void encode_segment(std::string_view text, size_t origin_bytes, std::vector<int32_t>& ids) const;
  void encode_normalized(const Word& text, std::vector<int32_t>& ids) const;
  void encode_word(std::string_view word, std::vector<int32_t>& ids) const;
  const std::string* find_decoder_token(int32_t id) const;

  PipelineSpec spec_;
  AddedTokens added_tokens_;
  std::vector<bool> special_;  // by id
  // By id, what the decoders are given for it; null where it stands for no token.
  std::vector<const std::string*> decoder_tokens_;
  int32_t vocab_size_;
  mutable WordCache cache_;  // does its own locking
};

}  // namespace eet
