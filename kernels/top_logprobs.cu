// The likeliest tokens: one block for each row finds the largest logit below the one found last, as
// often as there are tokens wanted. Logits and ids are compared together, as 64-bit keys, so that
// ties go to the lower id and no token is found twice. Each time the row is read again, from the
// second-level cache: a step that reports tokens to people is no place for a faster way.
#include <cfloat>

#include "kernels/launch.cuh"
#include "kernels/precondition.h"
#include "kernels/reduce.cuh"
#include "kernels/top_logprobs.h"

namespace eet::kernels {
namespace {

constexpr int kThreads = 512;
constexpr uint64_t kNonFinite = UINT64_MAX;  // above the key of every finite logit

// Keys are in the order of the logits, the lower of two ids with the same logit first.
__device__ uint64_t key_of(float logit, int id) {
  if (!(logit <= FLT_MAX)) return kNonFinite;
  const uint32_t bits = __float_as_uint(logit == 0.0F ? 0.0F : logit);  // -0 is 0
  const uint32_t ordered = (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
  return static_cast<uint64_t>(ordered) << 32 | (UINT32_MAX - static_cast<uint32_t>(id));
}

__device__ int id_of(uint64_t key) {
  return static_cast<int>(UINT32_MAX - static_cast<uint32_t>(key));
}

// The largest key of the block, in every thread. `partial` may be used again at once.
__device__ uint64_t block_max(uint64_t key, uint64_t (&partial)[kThreads / kWarpSize]) {
#pragma unroll
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    const uint64_t other = __shfl_xor_sync(0xFFFFFFFFU, key, offset);
    key = other > key ? other : key;
  }
  __syncthreads();
  if (threadIdx.x % kWarpSize == 0) partial[threadIdx.x / kWarpSize] = key;
  __syncthreads();
  for (const uint64_t other : partial) key = other > key ? other : key;
  return key;
}

__global__ __launch_bounds__(kThreads) void top_logprobs_kernel(int32_t* ids, float* logprobs,
                                                                int count, const float* logits,
                                                                int64_t stride, int vocab_size) {
  wait_for_previous_kernel();
  __shared__ uint64_t partial_keys[kThreads / kWarpSize];
  __shared__ float partial_sums[kMaxWarps];
  const int64_t row = blockIdx.x;
  const float* z = logits + row * stride;
  const int thread = static_cast<int>(threadIdx.x);

  float max = 0.0F;
  float log_sum = 0.0F;
  uint64_t last = 0;  // found last
  for (int i = 0; i < count; ++i) {
    uint64_t best = 0;
    for (int id = thread; id < vocab_size; id += kThreads) {
      const uint64_t key = key_of(z[id], id);
      if ((i == 0 || key < last) && key > best) best = key;
    }
    last = block_max(best, partial_keys);
    if (i == 0) {
      max = last == kNonFinite ? NAN : z[id_of(last)];
      float sum = 0.0F;
      for (int id = thread; id < vocab_size; id += kThreads) sum += expf(z[id] - max);
      log_sum = logf(block_sum(sum, partial_sums));
    }
    // Where no logit is finite, NaN - NaN or -inf - -inf.
    const bool finite = max > -HUGE_VALF;
    if (thread == 0) {
      ids[row * count + i] = finite ? id_of(last) : i;
      logprobs[row * count + i] = finite ? z[id_of(last)] - max - log_sum : NAN;
    }
    if (!finite) last = 0;
  }
}

}  // namespace

void top_logprobs(int32_t* ids, float* logprobs, int count, const float* logits, int64_t stride,
                  int num_rows, int vocab_size, cudaStream_t stream) {
  if (num_rows == 0) return;
  check_precondition(count >= 1 && count <= vocab_size, "top_logprobs: 1 <= count <= vocab_size");
  launch_overlapped(top_logprobs_kernel, num_rows, kThreads, 0, stream, ids, logprobs, count,
                    logits, stride, vocab_size);
}

}  // namespace eet::kernels
