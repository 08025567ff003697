// ScoreRules on the device.
#pragma once

#include <type_traits>

#include "kernels/attention.cuh"
#include "kernels/paged_attention.h"

namespace eet::kernels {

// What the plain variants take instead of ScoreRules.
struct NoScoreRules {};
// Rules that leave scores as they are: windows and sinks. On their own they cost prefill's kernels
// no registers.
struct WindowRules : ScoreRules {};

// tanh to 2e-7 of 1 for 16-bit types, whose scores are rounded by more, and to 1 ulp for fp32.
template <typename T>
__device__ __forceinline__ float capped(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return tanhf(x);
  } else {
    return 1.0F - __fdividef(2.0F, 1.0F + exp2_fast(2.0F * kLog2E * x));
  }
}

// How products q·k become scores in powers of two.
template <typename T>
class ScoreShape {
 public:
  __device__ __forceinline__ ScoreShape(const ScoreRules& rules, float scale)
      : scale_log2_(scale * kLog2E),
        cap_scale_(rules.softcap > 0.0F ? scale / rules.softcap : 0.0F),
        cap_log2_(rules.softcap * kLog2E) {}

  // slope_log2: slope_log2(). distance: the key's position less the query's.
  __device__ __forceinline__ float operator()(float product, float slope_log2, int distance) const {
    const float score =
        cap_scale_ > 0.0F ? cap_log2_ * capped<T>(product * cap_scale_) : product * scale_log2_;
    return fmaf(slope_log2, static_cast<float>(distance), score);
  }

 private:
  float scale_log2_;
  float cap_scale_;
  float cap_log2_;
};

// Whether scores are more than products times scale.
__host__ __device__ __forceinline__ bool shapes_scores(const ScoreRules& rules) {
  return rules.softcap > 0.0F || rules.alibi_slopes != nullptr;
}

__device__ __forceinline__ bool shapes_scores(const WindowRules&) {
  return false;
}

__device__ __forceinline__ float slope_log2(const ScoreRules& rules, int head) {
  return rules.alibi_slopes == nullptr ? 0.0F : rules.alibi_slopes[head] * kLog2E;
}

// The first key that a query at `position` sees.
__device__ __forceinline__ int first_key(const ScoreRules& rules, int position) {
  return rules.window > 0 ? max(0, position - rules.window + 1) : 0;
}

// 1 / the softmax's denominator, of which `sum` has the terms exp2(score - maximum).
__device__ __forceinline__ float inverse_denominator(const ScoreRules& rules, int head,
                                                     float maximum, float sum) {
  if (rules.sinks == nullptr) return 1.0F / sum;
  const float sink = rules.sinks[head] * kLog2E;
  const float peak = fmaxf(maximum, sink);
  const float weight = exp2_fast(maximum - peak);
  return weight / (sum * weight + exp2_fast(sink - peak));
}

}  // namespace eet::kernels
