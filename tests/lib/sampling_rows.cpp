#include "tests/lib/sampling_rows.h"

#include <limits>
#include <numeric>

#include "kernels/contract/philox.h"
#include "lib/ops/ops.h"

namespace eet::test {

SamplingRows::SamplingRows(const Context& ctx, std::vector<SlotParams> params,
                           const std::vector<float>& logits, int64_t vocab_size,
                           const std::vector<uint16_t>& counts, std::vector<SlotState> states)
    : ctx_(ctx),
      num_rows_(params.size()),
      stride_(static_cast<int64_t>(logits.size() / params.size())),
      vocab_size_(vocab_size) {
  for (SlotParams& row : params) {
    if (row.max_tokens == 0) row.max_tokens = std::numeric_limits<int32_t>::max();
  }
  states.resize(num_rows_);
  params_ = on_device(params);
  states_ = on_device(states);
  counts_ = on_device(counts.empty() ? std::vector<uint16_t>(num_rows_ * vocab_size) : counts);
  logits_ = on_device(logits);
  slots_ = allocate(ctx, num_rows_ * sizeof(int32_t), "test slots");
  scratch_ = allocate(ctx, ops::sample_scratch_bytes(ctx, static_cast<int>(num_rows_), vocab_size),
                      "test scratch");
  const size_t result_bytes = num_rows_ * (sizeof(int32_t) + sizeof(float));
  results_ = allocate_staging(ctx, kPlaces * result_bytes, "test results");
  last_place_ = on_device(std::vector<int32_t>{0});
  ring_ = {.places = results_.as<int32_t>(),
           .num_places = kPlaces,
           .max_rows = static_cast<int64_t>(num_rows_),
           .last_place = last_place_.as<int32_t>()};
}

template <typename T>
Buffer SamplingRows::on_device(const std::vector<T>& values) const {
  Buffer buffer = allocate(ctx_, values.size() * sizeof(T), "test data");
  upload(ctx_, buffer.data(), values.data(), buffer.bytes());
  synchronize(ctx_);
  return buffer;
}

template <typename T>
std::vector<T> SamplingRows::on_host(const Buffer& buffer, size_t count) const {
  std::vector<T> values(count);
  download(ctx_, values.data(), buffer.data(), count * sizeof(T));
  synchronize(ctx_);
  return values;
}

void SamplingRows::step(const std::vector<int32_t>& slots) {
  std::vector<int32_t> rows = slots;
  if (rows.empty()) {
    rows.resize(num_rows_);
    std::iota(rows.begin(), rows.end(), 0);
  }
  upload(ctx_, slots_.data(), rows.data(), rows.size() * sizeof(int32_t));
  enqueue(static_cast<int64_t>(rows.size()));
  synchronize(ctx_);
}

void SamplingRows::enqueue(int64_t num_rows) {
  const SlotTables tables{.params = params_.as<SlotParams>(),
                          .states = states_.as<SlotState>(),
                          .token_counts = counts_.as<uint16_t>(),
                          .vocab_size = vocab_size_};
  const TensorView logits(logits_.data(), DType::kF32, {num_rows, stride_});
  ops::sample(ctx_, ring_, logits, slots_.as<int32_t>(), tables, scratch_.data());
  place_ = ring_.place_after(place_);
}

std::vector<int32_t> SamplingRows::tokens() const {
  const int32_t* tokens = ring_.token_ids(place_);
  return {tokens, tokens + num_rows_};
}
std::vector<float> SamplingRows::logprobs() const {
  const float* logprobs = ring_.logprobs(place_);
  return {logprobs, logprobs + num_rows_};
}
std::vector<SlotState> SamplingRows::states() const {
  return on_host<SlotState>(states_, num_rows_);
}
std::vector<uint16_t> SamplingRows::counts() const {
  return on_host<uint16_t>(counts_, num_rows_ * vocab_size_);
}

std::vector<float> random_logits(int64_t count, uint64_t seed, float stddev) {
  std::vector<float> logits;
  logits.reserve(static_cast<size_t>(count) + 4);
  for (uint64_t quad = 0; logits.size() < static_cast<size_t>(count); ++quad) {
    for (const float deviate : normal_quad(seed, quad).value) logits.push_back(stddev * deviate);
  }
  logits.resize(static_cast<size_t>(count));
  return logits;
}

std::vector<SlotParams> varied_params(int count, int64_t vocab_size) {
  constexpr float kTemperatures[] = {1.0F, 0.7F, 0.0F, 1.7F};
  constexpr int32_t kTopK[] = {0, 40, 0, 1, 300};
  constexpr float kTopP[] = {1.0F, 0.9F, 0.5F, 1.0F, 0.99F, 1.0F, 0.05F};
  constexpr float kMinP[] = {0.0F, 0.0F, 0.02F};
  std::vector<SlotParams> all(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    SlotParams& params = all[i];
    params.temperature = kTemperatures[i % 4];
    params.top_k = kTopK[i % 5];
    params.top_p = kTopP[i % 7];
    params.min_p = kMinP[i % 3];
    params.seed = 99;
    params.stream = static_cast<uint64_t>(i) + 1;
    if (i % 11 == 3) params.repetition_penalty = 1.3F;
    if (i % 11 == 5) params.frequency_penalty = 0.7F;
    if (i % 11 == 7) params.presence_penalty = -0.5F;
    if (i % 13 == 6) {
      params.min_tokens = 2;
      params.num_stop_token_ids = 2;
      params.stop_token_ids[0] = 1;
      params.stop_token_ids[1] = static_cast<int32_t>(vocab_size - 1);
    }
  }
  return all;
}

}  // namespace eet::test
