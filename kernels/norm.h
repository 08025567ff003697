// The residual addition and the norm after it, in one pass over the row.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace eet::kernels {

enum class Norm { kRms, kLayer };

inline constexpr int kMaxNormHidden = 16384;

// out[i] = (x - mean) / sqrt(var + eps) * weight + bias of the row x = residual[t] + delta[t]
// (where `delta` is given), t = rows[i]. Without `rows` t is i, and x is stored in residual[t]. For
// kRms (Zhang and Sennrich 2019) mean is 0 and var is mean(x²). Sums in fp32; LayerNorm's variance
// is summed around the mean, in a second pass over registers. out: [num_rows, hidden]; residual:
// fp32 [tokens, hidden]; delta: [tokens, hidden] or null; weight: [hidden]; bias: [hidden] or null;
// rows: [num_rows] or null. hidden is at most kMaxNormHidden. The kernel before may write delta;
// the residual only where there is no delta, else that is read before it has ended.
template <typename T>
void add_norm(T* out, float* residual, const T* delta, const T* weight, const T* bias,
              const int32_t* rows, int num_rows, int hidden, Norm kind, float eps,
              cudaStream_t stream);

}  // namespace eet::kernels
