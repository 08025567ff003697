// How a token is chosen, element by element: written once, for the CUDA kernels and for the CPU.
//
// Both must pick the same token, so nothing here calls a math library: exp and log are polynomials
// in plain multiplications and additions (coefficients of Cephes expf and logf, about 1 ulp), and
// the files that include this are compiled without contraction to fused multiply-adds.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "kernels/contract/host_device.h"
#include "kernels/contract/philox.h"
#include "kernels/contract/slot_state.h"

namespace eet::sampling {

EET_HOST_DEVICE inline int32_t bits_of(float x) {
  return __builtin_bit_cast(int32_t, x);
}
EET_HOST_DEVICE inline float float_of(int32_t bits) {
  return __builtin_bit_cast(float, bits);
}

// exp(-x) for x >= 0; 1 exactly at 0, and 1.6e-38 from 87 on.
EET_HOST_DEVICE inline float exp_negative(float x) {
  const float y = x < 87.0F ? -x : -87.0F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = y * 1.44269504F + kRound;
  const float n = shifted - kRound;
  const float r = y - n * 0.693359375F + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  return p * float_of((bits_of(shifted) - bits_of(kRound) + 127) * (1 << 23));
}

// log(1 + f) + k * log(2) for f in [sqrt(1/2) - 1, sqrt(2) - 1]; relatively exact near 0.
EET_HOST_DEVICE inline float log_of_parts(float f, float k) {
  float p = 7.0376836292e-2F;
  p = p * f - 1.1514610310e-1F;
  p = p * f + 1.1676998740e-1F;
  p = p * f - 1.2420140846e-1F;
  p = p * f + 1.4249322787e-1F;
  p = p * f - 1.6668057665e-1F;
  p = p * f + 2.0000714765e-1F;
  p = p * f - 2.4999993993e-1F;
  p = p * f + 3.3333331174e-1F;
  const float square = f * f;
  const float tail = p * f * square - k * 2.12194440e-4F - 0.5F * square;
  return f + tail + k * 0.693359375F;
}

// A normal x > 0 as 2^k * (1 + f), for log_of_parts.
struct LogParts {
  float f;
  float k;
};

EET_HOST_DEVICE inline LogParts log_parts(float x) {
  constexpr int32_t kSqrtHalf = 0x3F3504F3;
  const int32_t offset = bits_of(x) - kSqrtHalf;
  const float mantissa = float_of((offset & 0x007FFFFF) + kSqrtHalf);
  return {mantissa - 1.0F, static_cast<float>(offset >> 23)};
}

EET_HOST_DEVICE inline float log_positive(float x) {
  const LogParts parts = log_parts(x);
  return log_of_parts(parts.f, parts.k);
}

// -log(1 - u) for u in (0, 1): an exponential deviate.
EET_HOST_DEVICE inline float exponential(float u) {
  // Below 1 - sqrt(1/2), 1 - u would round away what matters; the polynomial takes -u itself.
  const bool direct = u < 0.2928932F;
  const LogParts parts = log_parts(1.0F - u);
  return -log_of_parts(direct ? -u : parts.f, direct ? 0.0F : parts.k);
}

// Standard Gumbel noise from 32 random bits; argmax(z + noise) draws from softmax(z).
EET_HOST_DEVICE inline float gumbel(uint32_t word) {
  return -log_positive(exponential(uniform_open(word)));
}

// Above every value of gumbel(): -log(2^-33) = 22.87.
inline constexpr float kMaxGumbel = 23.0F;

// The random words of tokens 4*group .. 4*group + 3.
EET_HOST_DEVICE inline PhiloxWords token_words(const SlotParams& params, int32_t num_generated,
                                               int32_t group) {
  return philox4x32_10(params.seed, static_cast<uint32_t>(group),
                       static_cast<uint32_t>(num_generated), static_cast<uint32_t>(params.stream),
                       static_cast<uint32_t>(params.stream >> 32));
}

EET_HOST_DEVICE inline bool is_greedy(const SlotParams& params) {
  return params.temperature == 0.0F;
}

// Whether some tokens are excluded by rank or probability.
EET_HOST_DEVICE inline bool is_filtered(const SlotParams& params) {
  return !is_greedy(params) && (params.top_k > 0 || params.top_p < 1.0F || params.min_p > 0.0F);
}

EET_HOST_DEVICE inline bool has_penalties(const SlotParams& params) {
  return params.repetition_penalty != 1.0F || params.presence_penalty != 0.0F ||
         params.frequency_penalty != 0.0F;
}

EET_HOST_DEVICE inline bool bans_stop_tokens(const SlotParams& params, const SlotState& state) {
  return state.num_generated < params.min_tokens && params.num_stop_token_ids > 0;
}

EET_HOST_DEVICE inline bool is_stop_token(const SlotParams& params, int32_t token) {
  for (int i = 0; i < params.num_stop_token_ids; ++i) {
    if (params.stop_token_ids[i] == token) return true;
  }
  return false;
}

// Whether this step only feeds the row's prompt.
EET_HOST_DEVICE inline bool replays_prompt(const SlotParams& params, const SlotState& state) {
  return state.position + 1 < params.prompt_len;
}

// A finite logit after the row's penalties; `count` is its entry of token_counts.
EET_HOST_DEVICE inline float penalise(float z, uint16_t count, const SlotParams& params) {
  const int generated = count & (kInPrompt - 1);
  if (count != 0) z = z > 0.0F ? z / params.repetition_penalty : z * params.repetition_penalty;
  if (generated != 0) {
    z -= params.frequency_penalty * static_cast<float>(generated) + params.presence_penalty;
  }
  return z < FLT_MAX ? z : FLT_MAX;
}

EET_HOST_DEVICE inline float apply_temperature(float z, float temperature) {
  const float scaled = z / temperature;
  return scaled < FLT_MAX ? scaled : FLT_MAX;
}

// A token's gap is how far its scaled logit lies below the row's largest; its probability relative
// to the largest is exp(-gap), here as an integer so that sums do not depend on their order: at
// most 2^40 each, so that 2^23 of them fit.
EET_HOST_DEVICE inline uint64_t mass_of_gap(float gap) {
  return static_cast<uint64_t>(static_cast<int64_t>(exp_negative(gap) * 0x1p40F));
}

// The mass that top_p has to reach.
EET_HOST_DEVICE inline uint64_t top_p_mass(float top_p, uint64_t total) {
  return static_cast<uint64_t>(ceil(static_cast<double>(top_p) * static_cast<double>(total)));
}

// The largest gap that min_p keeps.
EET_HOST_DEVICE inline float min_p_gap(float min_p) {
  return min_p < FLT_MIN ? HUGE_VALF : -log_positive(min_p);
}

// The row takes `token`: its state and its row of token_counts move on.
EET_HOST_DEVICE inline void accept_token(SlotState& state, uint16_t* counts,
                                         const SlotParams& params, int32_t token) {
  constexpr uint16_t kMaxCount = kInPrompt - 1;
  if ((counts[token] & kMaxCount) != kMaxCount) ++counts[token];
  state.next_token = token;
  ++state.position;
  ++state.num_generated;
  if (is_stop_token(params, token)) {
    state.status = SlotStatus::kStop;
  } else if (state.num_generated >= params.max_tokens) {
    state.status = SlotStatus::kLength;
  }
}

}  // namespace eet::sampling
