// Device functions that prefill and decode attention share.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <limits>

#include "kernels/contract/kv_layout.h"
#include "kernels/paged_attention.h"

namespace eet::kernels {

// Scores are scaled into powers of two, so that the softmax is exp2 alone.
inline constexpr float kLog2E = 1.4426950408889634F;
inline constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();

// 2^x to 2 units in the last place; 0 for -inf.
__device__ __forceinline__ float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// Reductions over `kLanes` neighbouring lanes (a power of two), the result in each of them.
template <int kLanes>
__device__ __forceinline__ float lanes_max(float x) {
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) {
    x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFU, x, offset));
  }
  return x;
}
template <int kLanes>
__device__ __forceinline__ float lanes_sum(float x) {
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) {
    x += __shfl_xor_sync(0xFFFFFFFFU, x, offset);
  }
  return x;
}

// The page ids of a row.
template <typename T>
__device__ __forceinline__ const int32_t* row_pages(const PagedKv<T>& kv, int row) {
  return kv.block_tables + static_cast<int64_t>(kv.row_slots[row]) * kv.block_table_stride;
}

// Element offset of a token's head, given the page that holds the token.
__device__ __forceinline__ int64_t token_offset(int page, int token, int kv_head,
                                                const AttentionHeads& heads) {
  return kv_offset(page, kv_head, token % kPageSize, heads.num_kv_heads, heads.head_dim);
}

// Elements between two tokens of qkv.
__device__ __forceinline__ int64_t qkv_stride(const AttentionHeads& heads) {
  return static_cast<int64_t>(heads.num_heads + 2 * heads.num_kv_heads) * heads.head_dim;
}

}  // namespace eet::kernels
