// Several elements moved by one instruction, and the arithmetic type they are computed in.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/contract/host_device.h"

namespace eet::kernels {

// N elements that load and store as one access (up to 16 bytes; the compiler splits longer ones).
template <typename T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Vec {
  T value[N];
};

template <int N, typename T>
__device__ __forceinline__ Vec<T, N> load_vec(const T* address) {
  return *reinterpret_cast<const Vec<T, N>*>(address);
}

template <int N, typename T>
__device__ __forceinline__ void store_vec(T* address, const Vec<T, N>& vec) {
  *reinterpret_cast<Vec<T, N>*>(address) = vec;
}

__device__ __forceinline__ float to_float(float x) {
  return x;
}
__device__ __forceinline__ float to_float(__half x) {
  return __half2float(x);
}
__device__ __forceinline__ float to_float(__nv_bfloat16 x) {
  return __bfloat162float(x);
}

// Rounded to nearest even.
template <typename T>
__device__ __forceinline__ T from_float(float x);
template <>
__device__ __forceinline__ float from_float<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ __half from_float<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

template <int N, typename T>
__device__ __forceinline__ Vec<float, N> load_floats(const T* address) {
  const Vec<T, N> vec = load_vec<N>(address);
  Vec<float, N> floats;
#pragma unroll
  for (int i = 0; i < N; ++i) floats.value[i] = to_float(vec.value[i]);
  return floats;
}

template <int N, typename T>
__device__ __forceinline__ void store_floats(T* address, const Vec<float, N>& floats) {
  Vec<T, N> vec;
#pragma unroll
  for (int i = 0; i < N; ++i) vec.value[i] = from_float<T>(floats.value[i]);
  store_vec<N>(address, vec);
}

// Elements of T in 16 bytes, the widest access of a thread.
template <typename T>
inline constexpr int kVecWidth = 16 / static_cast<int>(sizeof(T));

// Whether rows of `row_size` elements at `address` can be read as vectors of N elements. Null is
// aligned.
template <int N, typename T>
bool is_vectorisable(const T* address, int64_t row_size) {
  return row_size % N == 0 && reinterpret_cast<uintptr_t>(address) % alignof(Vec<T, N>) == 0;
}

// The threads of a block that shares `items` pieces of work evenly among as few passes of at most
// `max_threads` as it takes: whole warps.
inline int block_threads(int64_t items, int max_threads) {
  const int64_t passes = ceil_div<int64_t>(items, max_threads);
  const int64_t threads = ceil_div(items, passes);
  return static_cast<int>((threads + 31) / 32 * 32);
}

}  // namespace eet::kernels
