// Scoring: one block for each row keeps the largest logit, the lowest id that has it, and the sum
// of exponentials below it (online softmax, Milakov and Gimelshein 2018) in one pass over the row.
// Threads' parts are fixed and combined in a fixed order, so a row's result does not depend on the
// rows beside it.
#include <cfloat>

#include "kernels/launch.cuh"
#include "kernels/reduce.cuh"
#include "kernels/score.h"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kThreads = 512;
constexpr int kGroup = 4;  // logits of one 16-byte load

struct Part {
  float max;       // NaN where the part holds a NaN or +inf
  float sum;       // of exp(logit - max)
  int32_t argmax;  // the lowest id that has `max`
};

__device__ Part empty_part() {
  return {.max = -HUGE_VALF, .sum = 0.0F, .argmax = INT32_MAX};
}

__device__ float rescaled_sum(const Part& part, float max) {
  return part.max == max ? part.sum : part.sum * __expf(part.max - max);
}

__device__ Part merge(const Part& a, const Part& b) {
  if (isnan(a.max)) return a;
  if (isnan(b.max)) return b;
  const float max = fmaxf(a.max, b.max);
  const bool second = b.max > a.max || (b.max == a.max && b.argmax < a.argmax);
  return {.max = max,
          .sum = rescaled_sum(a, max) + rescaled_sum(b, max),
          .argmax = second ? b.argmax : a.argmax};
}

__device__ Part merge_warp(Part part) {
#pragma unroll
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    Part other;
    other.max = __shfl_xor_sync(0xFFFFFFFFU, part.max, offset);
    other.sum = __shfl_xor_sync(0xFFFFFFFFU, part.sum, offset);
    other.argmax = __shfl_xor_sync(0xFFFFFFFFU, part.argmax, offset);
    part = merge(part, other);
  }
  return part;
}

// Logits id .. id + 3; -inf past the vocabulary.
template <bool kVectorised>
__device__ Vec<float, kGroup> load_group(const float* row, int id, int vocab_size) {
  if (kVectorised && id + kGroup <= vocab_size) return load_vec<kGroup>(row + id);
  Vec<float, kGroup> z;
#pragma unroll
  for (int i = 0; i < kGroup; ++i) z.value[i] = id + i < vocab_size ? row[id + i] : -HUGE_VALF;
  return z;
}

__device__ Part part_of_group(const Vec<float, kGroup>& z, int id) {
  Part part = empty_part();
  bool non_finite = false;
#pragma unroll
  for (int i = 0; i < kGroup; ++i) {
    non_finite |= !(z.value[i] <= FLT_MAX);
    if (z.value[i] > part.max) {
      part.max = z.value[i];
      part.argmax = id + i;
    }
  }
  if (part.max > -HUGE_VALF) {
#pragma unroll
    for (int i = 0; i < kGroup; ++i) part.sum += __expf(z.value[i] - part.max);
  }
  if (non_finite) part.max = NAN;
  return part;
}

template <bool kVectorised>
__global__ __launch_bounds__(kThreads) void score_kernel(float* logprobs, int32_t* is_argmax,
                                                         const float* logits, int64_t stride,
                                                         const int32_t* targets, int vocab_size) {
  wait_for_previous_kernel();
  const float* row = logits + blockIdx.x * stride;
  const int thread = static_cast<int>(threadIdx.x);
  Part part = empty_part();
  for (int id = thread * kGroup; id < vocab_size; id += kThreads * kGroup) {
    part = merge(part, part_of_group(load_group<kVectorised>(row, id, vocab_size), id));
  }
  __shared__ Part warp_parts[kThreads / kWarpSize];
  part = merge_warp(part);
  if (thread % kWarpSize == 0) warp_parts[thread / kWarpSize] = part;
  __syncthreads();
  if (thread != 0) return;
  for (int warp = 1; warp < kThreads / kWarpSize; ++warp) part = merge(part, warp_parts[warp]);
  const int32_t target = targets[blockIdx.x];
  const bool finite = part.max > -HUGE_VALF;  // not of a NaN
  logprobs[blockIdx.x] = finite ? row[target] - part.max - logf(part.sum) : NAN;
  is_argmax[blockIdx.x] = finite && part.argmax == target ? 1 : 0;
}

}  // namespace

void score(float* logprobs, int32_t* is_argmax, const float* logits, int64_t stride,
           const int32_t* targets, int num_rows, int vocab_size, cudaStream_t stream) {
  if (num_rows == 0) return;
  const auto kernel =
      is_vectorisable<kGroup>(logits, stride) ? score_kernel<true> : score_kernel<false>;
  launch_overlapped(kernel, num_rows, kThreads, 0, stream, logprobs, is_argmax, logits, stride,
                    targets, vocab_size);
}

}  // namespace eet::kernels
