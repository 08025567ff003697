// One sample of one row on its way through the engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
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
  std::vector<int32_t> pages;  // of the KV cache, for prompt and all tokens it may generate, in
                               // order; where all layers have windows one may come again
  std::vector<int32_t> held;   // those of them that it owns or shares, each once
  int32_t position = 0;        // of the token that is fed next
  // First tokens of the prompt that it does not feed: the row before it in the order of starting
  // has them too. Their whole pages are that row's.
  int32_t shared_tokens = 0;
  int32_t copied_page = -1;   // where they, or a follower's prompt, end within a page: that page
  int32_t num_issued = 0;     // tokens whose sampling has been issued
  int32_t num_generated = 0;  // tokens the host has seen
  bool ended = false;
  // The row's other samples, once started, where this one feeds the prompt for all of them.
  std::vector<std::shared_ptr<Sequence>> followers;
  bool follows = false;  // is one of those, which feed nothing of the prompt

  int32_t num_samples() const { return request.params.num_samples(); }
  int32_t prompt_len() const { return static_cast<int32_t>(fed_tokens(request)); }
  // Pages that other rows may have too: the prompt fills them.
  std::span<const int32_t> prompt_pages() const {
    return std::span(pages).first(static_cast<size_t>(prompt_len() / kPageSize));
  }
  // The first position whose next token is scored; prompt_len() where none is.
  int32_t first_scored() const {
    return request.score_from ? *request.score_from - 1 : prompt_len();
  }
  // Tokens that another row may compute for this one: those after them have logits to give.
  int32_t max_shared_tokens() const { return std::min(first_scored(), prompt_len() - 1); }
  // Positions a sample may occupy: its last token is sampled but never fed.
  int64_t max_positions() const { return int64_t{prompt_len()} + params.max_tokens - 1; }
};

using SequencePtr = std::shared_ptr<Sequence>;

// Pages that a row's samples hold together.
//
// The first pages of a prompt may be another row's (`prefix`).
// Where every layer has a sliding window, a page that lies behind it is written again: `ring_pages`
// in a row are enough from the end of the prompt on (0: no windows, every position keeps its page).
struct PageNeeds {
  int64_t prefix = 0;  // another row's
  int64_t shared = 0;  // those, and what a prompt fills that several samples have in common
  int64_t own = 0;     // of each sample
  int64_t total = 0;   // entries of a sample's block table
  // That have to be taken.
  int64_t of_samples(int64_t num_samples) const { return shared - prefix + num_samples * own; }
};

// The pages that hold what the window of any token reaches, when its last page has just begun.
inline int64_t ring_pages(int64_t window) {
  return window == 0 ? 0 : 1 + PagePool::pages_for(window - 1);
}

// `share_prompt`: the samples have the pages of the prompt in common that it fills.
inline PageNeeds page_needs(int64_t num_samples, int64_t prompt_len, int64_t max_positions,
                            bool share_prompt, int64_t ring, int64_t prefix = 0) {
  PageNeeds needs;
  needs.total = PagePool::pages_for(max_positions);
  needs.prefix = prefix;
  needs.shared = share_prompt && num_samples > 1 ? prompt_len / kPageSize : prefix;
  needs.own = needs.total - needs.shared;
  if (ring > 0) {
    const int64_t of_prompt = PagePool::pages_for(prompt_len) - needs.shared;
    needs.own = std::min(needs.own, std::max(of_prompt, ring));
  }
  return needs;
}

}  // namespace eet
