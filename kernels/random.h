// Random tensors, for benchmarks without a checkpoint.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace eet::kernels {

// out[i] = mean + stddev * (deviate i of the sequence keyed by `seed`, kernels/contract/philox.h).
template <typename T>
void fill_normal(T* out, int64_t count, float mean, float stddev, uint64_t seed,
                 cudaStream_t stream);

}  // namespace eet::kernels
