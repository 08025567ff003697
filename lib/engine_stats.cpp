#include "lib/engine_stats.h"

#include <algorithm>

namespace eet {

void add_counts(std::vector<int64_t>& sum, std::span<const int64_t> counts) {
  sum.resize(std::max(sum.size(), counts.size()));
  for (size_t i = 0; i < counts.size(); ++i) sum[i] += counts[i];
}

EngineStats together(std::span<const EngineStats> engines) {
  EngineStats all;
  const double share = 1.0 / static_cast<double>(std::max<size_t>(1, engines.size()));
  for (const EngineStats& one : engines) {
    // They load at the same time.
    all.load_seconds = std::max(all.load_seconds, one.load_seconds);
    for (double EngineStats::*seconds :
         {&EngineStats::prefill_seconds, &EngineStats::decode_seconds,
          &EngineStats::decode_idle_seconds}) {
      all.*seconds += share * one.*seconds;
    }
    for (int64_t EngineStats::*count :
         {&EngineStats::prompt_tokens, &EngineStats::shared_tokens, &EngineStats::prompt_positions,
          &EngineStats::padded_positions, &EngineStats::output_tokens, &EngineStats::scored_tokens,
          &EngineStats::batches, &EngineStats::prefill_passes, &EngineStats::prefill_tokens,
          &EngineStats::prefill_context_tokens, &EngineStats::decode_steps,
          &EngineStats::decode_row_steps, &EngineStats::decode_context_tokens,
          &EngineStats::decode_repeated_tokens}) {
      all.*count += one.*count;
    }
    add_counts(all.decode_steps_by_rows, one.decode_steps_by_rows);
    add_counts(all.shared_tokens_by_level, one.shared_tokens_by_level);
  }
  return all;
}

}  // namespace eet
