// The residual addition and the norm after it, in one pass over the row.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace eet::kernels {

enum class NormKind { kNone, kRms, kLayer };

// norm(x) = (x - mean) / sqrt(var + eps) * (weight_offset + weight) + bias. For kRms (Zhang and
// Sennrich 2019) mean is 0 and var is mean(x²); for kNone norm(x) is x. Sums in fp32; LayerNorm's
// variance is summed around the mean, in a second pass over registers.
template <typename W>
struct Norm {
  NormKind kind;
  float eps;
  float weight_offset;
  const W* weight;  // null: the factor is 1
  const W* bias;    // null: none
};

inline constexpr int kMaxNormHidden = 16384;

// out[i] = norm(x) of the row x = residual[t] + delta_scale * delta[t] (where `delta` is given), t
// = rows[i]. Without `rows` t is i, and x is stored in residual[t]. out: [num_rows, hidden];
// residual: fp32 [tokens, hidden]; delta: [tokens, hidden] or null; weight, bias: [hidden]; rows:
// [num_rows] or null. hidden is at most kMaxNormHidden. The kernel before may write delta; the
// residual only where there is no delta, else that is read before it has ended.
template <typename T>
void add_norm(T* out, float* residual, const T* delta, float delta_scale, const Norm<T>& norm,
              const int32_t* rows, int num_rows, int hidden, cudaStream_t stream);

}  // namespace eet::kernels
