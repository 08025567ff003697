// Rows to sample from on any device, for tests.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/contract/slot_state.h"
#include "lib/core/context.h"
#include "lib/core/memory.h"

namespace eet::test {

// Rows in tables of their own, and logits that every step samples from. Row i has slot i.
class SamplingRows {
 public:
  // logits: [num_rows, stride]; counts: [num_rows, vocab_size], or empty for zeros. Where
  // max_tokens is 0, it is set to no limit.
  SamplingRows(const Context& ctx, std::vector<SlotParams> params, const std::vector<float>& logits,
               int64_t vocab_size, const std::vector<uint16_t>& counts = {},
               std::vector<SlotState> states = {});

  // Samples the rows `slots` (all when empty), row i from the i-th row of logits.
  void step(const std::vector<int32_t>& slots = {});

  // Starts sampling `num_rows` rows with the slots of the last step(), and does not wait.
  void enqueue(int64_t num_rows);

  std::vector<int32_t> tokens() const;
  std::vector<float> logprobs() const;
  std::vector<SlotState> states() const;
  std::vector<uint16_t> counts() const;

 private:
  static constexpr int32_t kPlaces = 3;

  template <typename T>
  Buffer on_device(const std::vector<T>& values) const;
  template <typename T>
  std::vector<T> on_host(const Buffer& buffer, size_t count) const;

  const Context& ctx_;
  size_t num_rows_;
  int64_t stride_;
  int64_t vocab_size_;
  Buffer params_, states_, counts_, logits_, slots_, scratch_, results_, last_place_;
  SampledRing ring_;
  int32_t place_ = 0;
};

// Normal deviates scaled by `stddev`, the same on every machine.
std::vector<float> random_logits(int64_t count, uint64_t seed, float stddev);

// Parameter sets of many kinds: greedy, each filter alone and together, penalties, banned stops.
std::vector<SlotParams> varied_params(int count, int64_t vocab_size);

}  // namespace eet::test
