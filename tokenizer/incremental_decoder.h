// Exact text as ids arrive one by one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace eet {

// The pieces returned by push and finish, joined, are tokenizer.decode(all ids, skip_special_tokens)
// to the byte. A piece never ends inside a multi-byte character: bytes that a later id may still
// complete wait. Cost per push is bounded, not proportional to the ids so far.
class IncrementalDecoder {
 public:
  IncrementalDecoder(const Tokenizer& tokenizer, bool skip_special_tokens);

  // Text that is final once `id` is known; may be empty.
  std::string push(int32_t id);

  // The rest, with an incomplete character at the end as U+FFFD, as the reference's decode gives.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_tokens_;
  std::vector<int32_t> pending_;  // ids whose text is not yet final, and the context before them
  size_t prefix_ids_ = 0;         // how many of `pending_` are context
  std::string emitted_;           // text of `pending_` already returned
};

}  // namespace eet
