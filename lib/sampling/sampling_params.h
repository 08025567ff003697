// How a row's tokens are chosen and when it ends, as a request gives it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/contract/slot_state.h"
#include "lib/core/error.h"
#include "lib/model/config.h"

namespace eet {

struct SamplingParams {
  int32_t max_tokens = 128;
  int32_t min_tokens = 0;
  float temperature = 1.0F;  // 0: greedy
  int32_t top_k = 0;         // 0 or -1: off
  float top_p = 1.0F;        // 1: off
  float min_p = 0.0F;        // 0: off
  float repetition_penalty = 1.0F;
  float presence_penalty = 0.0F;
  float frequency_penalty = 0.0F;
  // A row with its own seed draws the same tokens wherever it stands in the input; other rows draw
  // from streams of the job's seed, one for each row. See sample_stream() for rows with samples.
  std::optional<uint64_t> seed;
  std::vector<int32_t> stop_token_ids;
  bool ignore_eos = false;
  int32_t n = 1;        // completions wanted
  int32_t best_of = 0;  // completions generated, of which the n likeliest are wanted; 0: n

  int32_t num_samples() const { return best_of > 0 ? best_of : n; }
};

// The first value outside its range, by name, with the range; nothing when all are good.
std::optional<RowError> check(const SamplingParams& params, const ModelConfig& config);

// The stream that sample `sample` of a row draws from, with the row's key: 2^40 streams behind the
// sample's before it. `row_stream`, which is 0 with a seed of the row's own and else the row's
// number from 1, is that of sample 0, so that a row's first sample is the same for any number of
// them, and no stream is another row's (for the first 2^40 - 1 rows of a job and 2^24 samples).
inline uint64_t sample_stream(uint64_t row_stream, int32_t sample) {
  return row_stream + (static_cast<uint64_t>(sample) << 40);
}

// The device's form, for sample 0. `row` is the row's index in the job.
SlotParams to_slot_params(const SamplingParams& params, const ModelConfig& config,
                          int32_t prompt_len, uint64_t job_seed, uint64_t row);

}  // namespace eet
