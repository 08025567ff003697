// Exact text as ids arrive one by one.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "tokenizer/tokenizer.h"

namespace eet {

// The pieces returned by push and finish, joined, are tokenizer.decode(all ids,
// skip_special_tokens) to the byte. A piece never ends inside a multi-byte character: bytes that a
// later id may still complete (three at most) wait. Cost per push is that of the id's own text. An
// id that stands for no token, such as the padding of an embedding table, gives no text.
//
// A continuation is decoded behind its prompt: with the prompt's ids pushed first, the later pieces
// are decode(prompt ids + new ids) minus decode(prompt ids), a leading space included. Where the
// prompt ends inside a character, the character is the continuation's.
class IncrementalDecoder {
 public:
  IncrementalDecoder(const Tokenizer& tokenizer, bool skip_special_tokens);

  // Text that is final once `id` is known; may be empty.
  std::string push(int32_t id);
  // The same, appended to `text`.
  void append(int32_t id, std::string& text);
  // As push() for each of `ids` in turn.
  std::string push(std::span<const int32_t> ids);

  // The rest, with an incomplete character at the end as U+FFFD, as the reference's decode gives.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_tokens_;
  DecodeState state_;
};

}  // namespace eet
