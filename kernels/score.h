// The log-probability of a given token in each row of logits.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace eet::kernels {

// As ops::score says (lib/ops/ops.h).
// logprobs, is_argmax, targets: [num_rows]; logits: [num_rows, stride >= vocab_size].
void score(float* logprobs, int32_t* is_argmax, const float* logits, int64_t stride,
           const int32_t* targets, int num_rows, int vocab_size, cudaStream_t stream);

}  // namespace eet::kernels
