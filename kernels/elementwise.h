// Operations on each element alone.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace eet::kernels {

// residual[i] += scale * delta[i], rounded twice. residual: fp32 [count]; delta: [count].
template <typename T>
void add_scaled(float* residual, const T* delta, float scale, int64_t count, cudaStream_t stream);

// logits[i] = softcap * tanh(scale * logits[i] / softcap) where softcap > 0, else scale *
// logits[i]. logits: fp32 [count].
void scale_logits(float* logits, float scale, float softcap, int64_t count, cudaStream_t stream);

}  // namespace eet::kernels
