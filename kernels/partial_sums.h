// Reading memory as fast as it can be read.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace eet::kernels {

// out[b] = the sum of every element that block b read, so that all of `out` adds up to the sum of
// x. x: 16-byte aligned, `count` a multiple of 4; out: [num_blocks].
void partial_sums(float* out, const float* x, int64_t count, int num_blocks, cudaStream_t stream);

}  // namespace eet::kernels
