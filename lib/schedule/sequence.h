// One sample of one row on its way through the engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/contract/slot_state.h"
#include "lib/request.h"
#include "lib/schedule/page_needs.h"

namespace eet {

// Prompt tokens that are fed: the last one of a scored row has nothing to predict.
inline int64_t fed_tokens(const Request& request) {
  return static_cast<int64_t>(request.prompt.size()) - (request.score_from ? 1 : 0);
}

// A sample's pages of one group.
struct SequencePages {
  struct Held {
    int32_t page = 0;
    int32_t last_entry = 0;  // of the table that names it
  };

  bool all_positions = true;  // as opposed to those in a window
  // Block table of the prompt and all tokens it may generate. Entries that the window has left from
  // the start on may be anything.
  std::vector<int32_t> table = {};
  std::vector<Held> held = {};  // pages that it owns or shares, each once, by falling last_entry
  // Where the tokens that it does not feed end within a page: that page, which it copies.
  int32_t copied_page = -1;
};

struct Sequence {
  Request request;
  int32_t sample = 0;                // of num_samples()
  SlotParams params;                 // what the device knows of the request
  int slot = -1;                     // place in the device's tables while running
  std::vector<SequencePages> pages;  // by group, once started
  int32_t position = 0;              // of the token that is fed next
  // First tokens of the prompt that it does not feed: the row before it in the order of starting
  // has them too. Their whole pages are that row's.
  int32_t shared_tokens = 0;
  bool lends = false;         // rows that start later may share its prompt's pages
  int32_t num_issued = 0;     // tokens whose sampling has been issued
  int32_t num_generated = 0;  // tokens the host has seen
  // A longrope row that leaves the original context is fed anew, with what it has generated: once
  // it has got params.max_tokens tokens, it may get `tokens_beyond` more.
  int32_t tokens_beyond = 0;
  std::vector<int32_t> generated;  // those so far, where there are tokens beyond
  int32_t num_carried = 0;         // of the prompt's last tokens: generated before it was fed anew
  bool ended = false;
  // The row's other samples, once started, where this one feeds the prompt for all of them.
  std::vector<std::shared_ptr<Sequence>> followers;
  bool follows = false;  // is one of those, which feed nothing of the prompt

  int32_t num_samples() const { return request.params.num_samples(); }
  int32_t prompt_len() const { return static_cast<int32_t>(fed_tokens(request)); }
  // Pages of the group of all positions, where there is one, that other rows may have too: the
  // prompt fills them.
  std::span<const int32_t> prompt_pages() const {
    if (pages.empty() || !pages.front().all_positions) return {};
    return std::span(pages.front().table).first(static_cast<size_t>(prompt_len() / kPageSize));
  }
  // The first position whose next token is scored; prompt_len() where none is.
  int32_t first_scored() const {
    return request.score_from ? *request.score_from - 1 : prompt_len();
  }
  // Tokens that another row may compute for this one: those after them have logits to give.
  int32_t max_shared_tokens() const { return std::min(first_scored(), prompt_len() - 1); }
  // Positions a sample may occupy: its last token is sampled but never fed.
  int64_t max_positions() const {
    return int64_t{prompt_len()} - num_carried + params.max_tokens - 1;
  }
};

// What the pages of the row's first sample depend on, but for whether it has followers.
inline SampleExtent extent_of(const Sequence& sequence) {
  return {.prompt_len = sequence.prompt_len(),
          .max_positions = sequence.max_positions(),
          .shared_tokens = sequence.shared_tokens,
          .lends = sequence.lends};
}

using SequencePtr = std::shared_ptr<Sequence>;

// The sample as it is fed anew, once it has got all tokens but those beyond.
SequencePtr fed_anew(const Sequence& sequence);

}  // namespace eet
