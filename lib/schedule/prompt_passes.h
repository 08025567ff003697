// How a prompt policy turns the prompts of a batch into forward passes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "lib/schedule/sequence.h"

namespace eet {

// Columns of one row in one pass: `pads` pads, then prompt tokens [first, first + count).
struct PromptSegment {
  SequencePtr sequence;
  int32_t pads = 0;
  int32_t first = 0;
  int32_t count = 0;
  int32_t columns() const { return pads + count; }
  int32_t end() const { return first + count; }
  bool ends_prompt() const { return end() == sequence->prompt_len(); }
  // Whether it is the row's first one, behind tokens that another row has computed.
  bool continues_prefix() const { return first > 0 && first == sequence->shared_tokens; }
  // Whether the logits of the last token choose the row's first one.
  bool samples_next() const { return ends_prompt() && !sequence->request.score_from; }
  // The logits of tokens [first_scored(), end()) score the tokens after them.
  int32_t first_scored() const { return std::clamp(sequence->first_scored(), first, end()); }
};

using PromptPass = std::vector<PromptSegment>;

struct PromptPlan {
  std::vector<PromptPass> passes;
  // Position of the last token the passes feed for each row, in the order of the batch; tokens past
  // it are replayed one a step. -1 when no pass feeds any.
  std::vector<int32_t> last_fed;
  // Of each row that shares tokens: index of the row that computes the last of them, and has all
  // of them in its pages. -1: a row before the batch.
  std::vector<int32_t> sources;
};

// Cuts the prompts of `batch`, packed ones without the tokens that they share with the row before,
// into passes of at most `max_tokens` columns, pads included. Packed
// prompts that do not fit a pass are cut at page borders, so that no page is written by two passes
// unless max_tokens is below a page. A pass appends all its tokens before it attends, so that a row
// may read whole pages that another one fills in the same pass; it comes later where it copies a
// page that another one begins.
PromptPlan plan_prompts(const std::vector<SequencePtr>& batch, PromptPolicy policy, int max_tokens);

}  // namespace eet
