#include "lib/sampling/sampling_params.h"

#include <algorithm>
#include <cmath>

namespace eet {
namespace {

// Below this, temperature means greedy: logits divided by less would leave the range of a float.
constexpr float kMinTemperature = 1e-5F;

template <typename Value>
RowError out_of_range(const char* name, const char* expected, const Value& got) {
  return {"invalid_parameter", concat(name, ": expected ", expected, ", got ", got)};
}

// The row's stop ids and, unless it ignores them, the model's EOS ids: ascending, each once.
std::vector<int32_t> all_stop_token_ids(const SamplingParams& params, const ModelConfig& config) {
  std::vector<int32_t> ids = params.stop_token_ids;
  if (!params.ignore_eos) {
    ids.insert(ids.end(), config.eos_token_ids.begin(), config.eos_token_ids.end());
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace

std::optional<RowError> check(const SamplingParams& params, const ModelConfig& config) {
  // Written so that a NaN fails.
  const auto within = [](float value, float low, float high) {
    return value >= low && value <= high;
  };
  if (params.max_tokens < 1) {
    return out_of_range("max_tokens", "at least 1", params.max_tokens);
  }
  if (params.min_tokens < 0 || params.min_tokens > params.max_tokens) {
    return out_of_range("min_tokens", "a number from 0 to max_tokens", params.min_tokens);
  }
  if (!std::isfinite(params.temperature) || params.temperature < 0.0F) {
    return out_of_range("temperature", "a finite number >= 0 (0 is greedy)", params.temperature);
  }
  if (params.top_k < -1) {
    return out_of_range("top_k", "at least 1, or 0 or -1 for all tokens", params.top_k);
  }
  if (!within(params.top_p, 0.0F, 1.0F) || params.top_p == 0.0F) {
    return out_of_range("top_p", "a number in (0, 1]", params.top_p);
  }
  if (!within(params.min_p, 0.0F, 1.0F)) {
    return out_of_range("min_p", "a number in [0, 1]", params.min_p);
  }
  if (!std::isfinite(params.repetition_penalty) || params.repetition_penalty <= 0.0F) {
    return out_of_range("repetition_penalty", "a finite number > 0", params.repetition_penalty);
  }
  if (!within(params.presence_penalty, -2.0F, 2.0F)) {
    return out_of_range("presence_penalty", "a number in [-2, 2]", params.presence_penalty);
  }
  if (!within(params.frequency_penalty, -2.0F, 2.0F)) {
    return out_of_range("frequency_penalty", "a number in [-2, 2]", params.frequency_penalty);
  }
  if (params.n < 1) return out_of_range("n", "at least 1", params.n);
  if (params.best_of < 0 || (params.best_of > 0 && params.best_of < params.n)) {
    return out_of_range("best_of", concat("at least n, ", params.n).c_str(), params.best_of);
  }
  for (const int32_t id : params.stop_token_ids) {
    if (id < 0 || id >= config.vocab_size) {
      return out_of_range("stop_token_ids", concat("ids in [0, ", config.vocab_size, ")").c_str(),
                          id);
    }
  }
  const size_t num_stop_ids = all_stop_token_ids(params, config).size();
  if (num_stop_ids > size_t{kMaxStopTokenIds}) {
    return out_of_range("stop_token_ids",
                        concat("at most ", kMaxStopTokenIds, " ids, EOS ids included").c_str(),
                        num_stop_ids);
  }
  return std::nullopt;
}

SlotParams to_slot_params(const SamplingParams& params, const ModelConfig& config,
                          int32_t prompt_len, uint64_t job_seed, uint64_t row) {
  SlotParams slot;
  slot.temperature = params.temperature < kMinTemperature ? 0.0F : params.temperature;
  slot.top_p = params.top_p;
  slot.min_p = params.min_p;
  slot.repetition_penalty = params.repetition_penalty;
  slot.presence_penalty = params.presence_penalty;
  slot.frequency_penalty = params.frequency_penalty;
  slot.top_k = params.top_k >= config.vocab_size ? 0 : std::max(params.top_k, 0);
  slot.min_tokens = params.min_tokens;
  slot.max_tokens = params.max_tokens;
  slot.prompt_len = prompt_len;

  const std::vector<int32_t> stop_ids = all_stop_token_ids(params, config);
  const size_t num_stop_ids = std::min(stop_ids.size(), size_t{kMaxStopTokenIds});
  slot.num_stop_token_ids = static_cast<int32_t>(num_stop_ids);
  std::copy_n(stop_ids.begin(), num_stop_ids, slot.stop_token_ids);

  // Stream 0 belongs to rows with a seed of their own, so that a job seed equal to a row's seed
  // shares no numbers with it.
  slot.seed = params.seed.value_or(job_seed);
  slot.stream = params.seed.has_value() ? 0 : row + 1;
  return slot;
}

}  // namespace eet
