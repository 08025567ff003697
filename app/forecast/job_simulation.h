// The course of a job, without a model: the engine's own scheduler on rows of given lengths.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "app/forecast/pass_costs.h"
#include "app/forecast/row_shape.h"
#include "lib/engine_options.h"
#include "lib/memory_plan.h"

namespace eet {

// How long the samples of rows get: each takes the next of `seen_tokens`, in turn, up to its own
// max_tokens. Without any, all get as long as they may.
struct OutputLengths {
  std::vector<int32_t> seen_tokens;
};

struct SimulatedJob {
  int64_t batches = 0;           // as EngineStats::batches
  int64_t padded_pads = 0;       // of `padded` in the same batches
  int64_t min_length_steps = 0;  // decode steps in which `min-length` would feed prompts
  int64_t serial_steps = 0;      // the same of `serial`
  int64_t computed_pads = 0;     // under the job's own prompt policy
  int64_t shared_tokens = 0;     // of prompts: computed for a row before
  std::vector<int64_t> shared_tokens_by_level;  // as EngineStats::shared_tokens_by_level
  int64_t prefill_passes = 0;
  int64_t decode_steps = 0;
  int64_t output_tokens = 0;
  double seconds = 0;  // of all passes
};

// Feeds `rows` in their order, as far ahead as a job does. Several engines each get their share of
// the rows; the time is that of the slowest one.
SimulatedJob simulate_job(const std::vector<RowShape>& rows, const EngineOptions& options,
                          const EngineShape& shape, int64_t num_slabs, const OutputLengths& lengths,
                          const PassCosts& prefill, const PassCosts& decode,
                          size_t num_engines = 1);

}  // namespace eet
