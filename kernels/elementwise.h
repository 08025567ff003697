// Operations on each element alone.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace eet::kernels {

// residual[i] += scale * delta[i], rounded twice. residual: fp32 [count]; delta: [count].
template <typename T>
void add_scaled(float* residual, const T* delta, float scale, int64_t count, cudaStream_t stream);

// logits = softcap * tanh(x / softcap) where softcap > 0, else x, of x = scale * (logits + bias).
// logits: fp32 [count] in rows of `columns`; bias: [num_biases] of the first columns, or null.
template <typename T>
void scale_logits(float* logits, const T* bias, int num_biases, float scale, float softcap,
                  int64_t count, int columns, cudaStream_t stream);

}  // namespace eet::kernels
