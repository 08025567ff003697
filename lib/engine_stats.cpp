#include "lib/engine_stats.h"

#include <algorithm>

namespace eet {

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
         {&EngineStats::prompt_tokens, &EngineStats::prompt_positions,
          &EngineStats::padded_positions, &EngineStats::output_tokens, &EngineStats::scored_tokens,
          &EngineStats::batches, &EngineStats::prefill_passes, &EngineStats::prefill_tokens,
          &EngineStats::prefill_context_tokens, &EngineStats::decode_steps,
          &EngineStats::decode_row_steps, &EngineStats::decode_context_tokens}) {
      all.*count += one.*count;
    }
    std::vector<int64_t>& by_rows = all.decode_steps_by_rows;
    by_rows.resize(std::max(by_rows.size(), one.decode_steps_by_rows.size()));
    for (size_t rows = 0; rows < one.decode_steps_by_rows.size(); ++rows) {
      by_rows[rows] += one.decode_steps_by_rows[rows];
    }
  }
  return all;
}

}  // namespace eet
