// What the kernels share that turn heads and move keys and values into the KV pages.
#pragma once

#include <cstdint>

#include "kernels/contract/kv_layout.h"
#include "kernels/rope.cuh"
#include "kernels/rope_append.h"
#include "kernels/vector.cuh"

namespace eet::kernels {

// N elements of a head's first half and their partners in the second.
template <typename T, int N>
struct Pairs {
  Vec<T, N> low;
  Vec<T, N> high;
};

template <int N, typename T>
__device__ __forceinline__ Pairs<T, N> load_pairs(const T* head, int half) {
  return {load_vec<N>(head), load_vec<N>(head + half)};
}

template <int N, typename T>
__device__ __forceinline__ void store_pairs(T* head, int half, const Pairs<T, N>& pairs) {
  store_vec<N>(head, pairs.low);
  store_vec<N>(head + half, pairs.high);
}

template <typename T, int N>
__device__ __forceinline__ Pairs<T, N> rotate(const Pairs<T, N>& pairs,
                                              const Vec<float, 2 * N>& cos_sin) {
  Pairs<T, N> turned;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float a = to_float(pairs.low.value[i]);
    const float b = to_float(pairs.high.value[i]);
    const float cosine = cos_sin.value[2 * i];
    const float sine = cos_sin.value[2 * i + 1];
    turned.low.value[i] = from_float<T>(turned_low(a, b, cosine, sine));
    turned.high.value[i] = from_float<T>(turned_high(a, b, cosine, sine));
  }
  return turned;
}

// Elements 2i and 2i + 1 of the run that the pairs' low and high parts are, by angle i.
template <typename T, int N>
__device__ __forceinline__ Pairs<T, N> rotate_interleaved(const Pairs<T, N>& run,
                                                          const Vec<float, 2 * N>& cos_sin) {
  T elements[2 * N];
#pragma unroll
  for (int i = 0; i < N; ++i) {
    elements[i] = run.low.value[i];
    elements[N + i] = run.high.value[i];
  }
  Pairs<T, N> turned;
#pragma unroll
  for (int i = 0; i < 2 * N; ++i) {
    const float a = to_float(elements[i / 2 * 2]);
    const float b = to_float(elements[i / 2 * 2 + 1]);
    const float cosine = cos_sin.value[i / 2 * 2];
    const float sine = cos_sin.value[i / 2 * 2 + 1];
    (i < N ? turned.low : turned.high).value[i % N] = from_float<T>(
        i % 2 == 0 ? turned_low(a, b, cosine, sine) : turned_high(a, b, cosine, sine));
  }
  return turned;
}

// The pages' elements of a token, or those of qkv, that `head` goes to.
template <typename T>
__device__ __forceinline__ T* target_of(int head, T* source, T* keys, T* values, int64_t page,
                                        int position, const QkvShape& shape) {
  if (head < shape.num_heads) return source;
  const int first_value_head = shape.num_heads + shape.num_kv_heads;
  const bool is_value = head >= first_value_head;
  const int kv_head = head - (is_value ? first_value_head : shape.num_heads);
  return (is_value ? values : keys) +
         kv_offset(page, kv_head, position % kPageSize, shape.num_kv_heads, shape.head_dim);
}

__device__ __forceinline__ int64_t page_of(const KvDestination& destination, int64_t token,
                                           int position) {
  return destination.block_tables[destination.token_slots[token] *
                                      static_cast<int64_t>(destination.block_table_stride) +
                                  position / kPageSize];
}

}  // namespace eet::kernels
