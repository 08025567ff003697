#include "tokenizer/incremental_decoder.h"

namespace eet {

IncrementalDecoder::IncrementalDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
    : tokenizer_(tokenizer),
      skip_special_tokens_(skip_special_tokens),
      state_(tokenizer.begin_decoding()) {}

std::string IncrementalDecoder::push(int32_t id) {
  return push({&id, 1});
}

std::string IncrementalDecoder::push(std::span<const int32_t> ids) {
  std::string text;
  for (const int32_t id : ids) append(id, text);
  return text;
}

void IncrementalDecoder::append(int32_t id, std::string& text) {
  tokenizer_.append_text(id, skip_special_tokens_, state_, text);
}

std::string IncrementalDecoder::finish() {
  std::string text;
  tokenizer_.finish_text(state_, text);
  return text;
}

}  // namespace eet
