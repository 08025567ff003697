// The accounts of an engine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace eet {

struct EngineStats {
  double load_seconds = 0;         // weights and all other memory
  double prefill_seconds = 0;      // device time of prompt passes
  double decode_seconds = 0;       // device time of decode steps
  double decode_idle_seconds = 0;  // in which it waited for the host; 0 on the CPU
  int64_t prompt_tokens = 0;       // real ones; once for rows and samples that share them, and
                                   // again with what was generated where a row is fed anew
  int64_t shared_tokens = 0;       // of prompts: computed for a row before
  // Of the prefixes that waiting rows have in common, from the shortest to those that go on with
  // it: the prompt tokens that need not be computed again.
  std::vector<int64_t> shared_tokens_by_level;
  int64_t prompt_positions = 0;  // tokens that entered the prompt passes and replays, pads included
  int64_t padded_positions = 0;  // what `padded` computes for the same groups
  int64_t output_tokens = 0;
  int64_t scored_tokens = 0;
  int64_t batches = 0;  // groups of rows that started together
  int64_t prefill_passes = 0;
  int64_t prefill_tokens = 0;  // prompt tokens that the prompt passes fed, without pads
  int64_t prefill_context_tokens =
      0;  // keys that each of those sees, itself included, averaged over layers
  int64_t decode_steps = 0;
  int64_t decode_row_steps = 0;  // rows summed over decode steps
  int64_t decode_context_tokens =
      0;  // cached tokens read by a layer, summed over rows and decode steps
  int64_t decode_repeated_tokens =
      0;  // of those: in pages that another row of the step has been counted for
  std::vector<int64_t> decode_steps_by_rows;  // how many decode steps ran with [i] rows
};

// Adds counts place by place; `sum` grows where it is shorter.
void add_counts(std::vector<int64_t>& sum, std::span<const int64_t> counts);

// Of engines that worked at the same time: counts are sums, and seconds means, so that a count by
// its seconds is the rate of all together. Empty for none.
EngineStats together(std::span<const EngineStats> engines);

}  // namespace eet
