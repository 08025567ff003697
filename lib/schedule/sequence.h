// One sample of one row on its way through the engine.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/contract/slot_state.h"
#include "lib/cache/page_pool.h"
#include "lib/request.h"

namespace eet {

// Prompt tokens that are fed: the last one of a scored row has nothing to predict.
inline int64_t fed_tokens(const Request& request) {
  return static_cast<int64_t>(request.prompt.size()) - (request.score_from ? 1 : 0);
}

struct Sequence {
  Request request;
  int32_t sample = 0;          // of num_samples()
  SlotParams params;           // what the device knows of the request
  int slot = -1;               // place in the device's tables while running
  std::vector<int32_t> pages;  // of the KV cache, for prompt and all tokens it may generate
  int32_t position = 0;        // of the token that is fed next
  int32_t num_issued = 0;      // tokens whose sampling has been issued
  int32_t num_generated = 0;   // tokens the host has seen
  bool ended = false;
  // The row's other samples, once started, where this one feeds the prompt for all of them.
  std::vector<std::shared_ptr<Sequence>> followers;
  bool follows = false;  // is one of those

  int32_t num_samples() const { return request.params.num_samples(); }
  int32_t prompt_len() const { return static_cast<int32_t>(fed_tokens(request)); }
  // The first position whose next token is scored; prompt_len() where none is.
  int32_t first_scored() const {
    return request.score_from ? *request.score_from - 1 : prompt_len();
  }
  // Positions a sample may occupy: its last token is sampled but never fed.
  int64_t max_positions() const { return int64_t{prompt_len()} + params.max_tokens - 1; }
};

using SequencePtr = std::shared_ptr<Sequence>;

// Pages that all samples of a row need together. Where they share the prompt, they have the pages
// that it fills in common, and one each for what is left of it.
inline int64_t pages_of_samples(int64_t num_samples, int64_t prompt_len, int64_t max_positions,
                                bool share_prompt) {
  const int64_t shared = share_prompt ? prompt_len / kPageSize : 0;
  return shared + num_samples * (PagePool::pages_for(max_positions) - shared);
}

}  // namespace eet
