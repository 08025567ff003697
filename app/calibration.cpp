#include "app/calibration.h"

#include <algorithm>

namespace eet {
namespace {

constexpr int32_t kOutputTokens = 32;

void run_batch(Engine& engine, int64_t prompt_tokens) {
  const int64_t longest = std::max<int64_t>(1, engine.max_model_len() - kOutputTokens);
  Request request;
  request.prompt.assign(std::clamp<int64_t>(prompt_tokens, 1, longest), 0);
  request.params.max_tokens = kOutputTokens;
  request.params.ignore_eos = true;
  for (int row = 0; row < engine.max_num_seqs(); ++row) {
    request.row = static_cast<uint64_t>(row);
    if (!engine.check(request)) engine.add_request(request);
  }
  while (engine.has_work()) engine.step();
}

double rate(int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

}  // namespace

Calibration calibrate(Engine& engine, int64_t prompt_tokens) {
  run_batch(engine, prompt_tokens);
  const EngineStats before = engine.stats();
  run_batch(engine, prompt_tokens);
  const EngineStats& after = engine.stats();
  return {rate(after.prompt_tokens - before.prompt_tokens,
               after.prefill_seconds - before.prefill_seconds),
          rate(after.decode_row_steps - before.decode_row_steps,
               after.decode_seconds - before.decode_seconds)};
}

double expected_seconds(const Calibration& speed, int64_t prompt_tokens, int64_t output_tokens) {
  if (speed.prompt_tokens_per_second <= 0 || speed.output_tokens_per_second <= 0) return 0;
  return static_cast<double>(prompt_tokens) / speed.prompt_tokens_per_second +
         static_cast<double>(output_tokens) / speed.output_tokens_per_second;
}

}  // namespace eet
