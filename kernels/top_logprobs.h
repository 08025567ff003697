// The likeliest tokens of each row of logits.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace eet::kernels {

// As ops::top_logprobs says (lib/ops/ops.h).
// ids, logprobs: [num_rows, count]; logits: [num_rows, stride >= vocab_size]; 1 <= count <=
// vocab_size.
void top_logprobs(int32_t* ids, float* logprobs, int count, const float* logits, int64_t stride,
                  int num_rows, int vocab_size, cudaStream_t stream);

}  // namespace eet::kernels
