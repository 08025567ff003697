// Rotary position embedding of parts of a head (Su et al. 2021).
#pragma once

#include "kernels/vector.cuh"

namespace eet::kernels {

// The rotation of a pair by an angle. Every kernel that turns heads rounds the same way, whatever
// its compiler would make of a * cosine - b * sine: cached keys must not depend on who wrote them.
__device__ __forceinline__ float turned_low(float a, float b, float cosine, float sine) {
  return __fmaf_rn(a, cosine, -__fmul_rn(b, sine));
}
__device__ __forceinline__ float turned_high(float a, float b, float cosine, float sine) {
  return __fmaf_rn(b, cosine, __fmul_rn(a, sine));
}

// The N elements of a turned head from element `dim` on, which with their partners lie half a head
// apart. head: [head_dim]; cos_sin: [head_dim / 2, 2] of the head's position. N divides dim and
// head_dim / 2.
template <int N, typename T>
__device__ __forceinline__ Vec<T, N> load_turned(const T* head, int dim, int head_dim,
                                                 const float* cos_sin) {
  const int half = head_dim / 2;
  const bool is_low = dim < half;
  const int pair = is_low ? dim : dim - half;
  const auto low = load_vec<N>(head + pair);
  const auto high = load_vec<N>(head + half + pair);
  const auto angles = load_vec<2 * N>(cos_sin + 2 * pair);
  Vec<T, N> turned;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float a = to_float(low.value[i]);
    const float b = to_float(high.value[i]);
    const float cosine = angles.value[2 * i];
    const float sine = angles.value[2 * i + 1];
    turned.value[i] =
        from_float<T>(is_low ? turned_low(a, b, cosine, sine) : turned_high(a, b, cosine, sine));
  }
  return turned;
}

// The same of a head of which the first rotary_dim elements turn, the others stay, by halves or
// interleaved. cos_sin: [rotary_dim / 2, 2], aligned to 8 bytes. N divides dim.
template <int N, typename T>
__device__ __forceinline__ Vec<T, N> load_turned_part(const T* head, int dim, int rotary_dim,
                                                      bool interleaved, const float* cos_sin) {
  const int half = rotary_dim / 2;
  if (!interleaved && half % N == 0) return load_turned<N>(head, dim, rotary_dim, cos_sin);
  Vec<T, N> turned = load_vec<N>(head + dim);
  T* elements = turned.value;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const int element = dim + i;
    const bool is_low = interleaved ? i % 2 == 0 : element < half;
    const int distance = interleaved ? 1 : half;
    const int low = is_low ? element : element - distance;
    if (element >= rotary_dim) continue;
    const float2 angle = *reinterpret_cast<const float2*>(cos_sin + (interleaved ? low : 2 * low));
    const float a = to_float(head[low]);
    const float b = to_float(head[low + distance]);
    elements[i] = from_float<T>(is_low ? turned_low(a, b, angle.x, angle.y)
                                       : turned_high(a, b, angle.x, angle.y));
  }
  return turned;
}

}  // namespace eet::kernels
