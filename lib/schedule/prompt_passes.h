// How a prompt policy turns the prompts of a batch into forward passes.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/engine.h"
#include "lib/schedule/sequence.h"

namespace eet {

// Columns of one row in one pass: `pads` pads, then prompt tokens [first, first + count).
struct PromptSegment {
  SequencePtr sequence;
  int32_t pads = 0;
  int32_t first = 0;
  int32_t count = 0;
  int32_t columns() const { return pads + count; }
};

using PromptPass = std::vector<PromptSegment>;

struct PromptPlan {
  std::vector<PromptPass> passes;
  // Position of the last token the passes feed for each row, in the order of the batch; tokens past
  // it are replayed one a step. -1 when no pass feeds any.
  std::vector<int32_t> last_fed;
};

// Cuts the prompts of `batch` into passes of at most `max_tokens` columns, pads included. Packed
// prompts that do not fit a pass are cut at page borders, so that no page is written by two passes
// unless max_tokens is below a page.
PromptPlan plan_prompts(const std::vector<SequencePtr>& batch, PromptPolicy policy, int max_tokens);

}  // namespace eet
