// Operations on each element alone.
#include "kernels/contract/host_device.h"
#include "kernels/elementwise.h"
#include "kernels/launch.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kWidth = kVecWidth<float>;  // elements of a thread; the last has the rest alone

// Calls body.operator()<N>(first) for the elements [first, first + N) of this thread.
template <typename Body>
__device__ __forceinline__ void for_each_element(int64_t count, bool vectorised, const Body& body) {
  const int64_t first = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kWidth;
  if (vectorised && first + kWidth <= count) {
    body.template operator()<kWidth>(first);
    return;
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (first + i < count) body.template operator()<1>(first + i);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_scaled_kernel(float* residual, const T* delta, float scale, int64_t count,
                      bool vectorised) {
  wait_for_previous_kernel();
  for_each_element(count, vectorised, [&]<int N>(int64_t first) {
    Vec<float, N> sum = load_vec<N>(residual + first);
    const Vec<float, N> term = load_floats<N>(delta + first);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      sum.value[i] = __fadd_rn(sum.value[i], __fmul_rn(scale, term.value[i]));
    }
    store_vec<N>(residual + first, sum);
  });
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    scale_logits_kernel(float* logits, const T* bias, int num_biases, float scale, float softcap,
                        int64_t count, int columns, bool vectorised) {
  wait_for_previous_kernel();
  for_each_element(count, vectorised, [&]<int N>(int64_t first) {
    Vec<float, N> scaled = load_vec<N>(logits + first);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (bias != nullptr) {
        const auto column = static_cast<int>((first + i) % columns);
        if (column < num_biases) scaled.value[i] += to_float(bias[column]);
      }
      scaled.value[i] *= scale;
      if (softcap > 0.0F) scaled.value[i] = softcap * tanhf(scaled.value[i] / softcap);
    }
    store_vec<N>(logits + first, scaled);
  });
}

unsigned num_blocks(int64_t count) {
  return static_cast<unsigned>(ceil_div<int64_t>(count, kThreads * kWidth));
}

}  // namespace

template <typename T>
void add_scaled(float* residual, const T* delta, float scale, int64_t count, cudaStream_t stream) {
  if (count == 0) return;
  const bool vectorised = is_vectorisable<kWidth>(residual, 0) && is_vectorisable<kWidth>(delta, 0);
  launch_overlapped(add_scaled_kernel<T>, num_blocks(count), kThreads, 0, stream, residual, delta,
                    scale, count, vectorised);
}

template <typename T>
void scale_logits(float* logits, const T* bias, int num_biases, float scale, float softcap,
                  int64_t count, int columns, cudaStream_t stream) {
  if (count == 0) return;
  launch_overlapped(scale_logits_kernel<T>, num_blocks(count), kThreads, 0, stream, logits, bias,
                    num_biases, scale, softcap, count, columns, is_vectorisable<kWidth>(logits, 0));
}

template void scale_logits(float*, const float*, int, float, float, int64_t, int, cudaStream_t);
template void scale_logits(float*, const __half*, int, float, float, int64_t, int, cudaStream_t);
template void scale_logits(float*, const __nv_bfloat16*, int, float, float, int64_t, int,
                           cudaStream_t);

template void add_scaled(float*, const float*, float, int64_t, cudaStream_t);
template void add_scaled(float*, const __half*, float, int64_t, cudaStream_t);
template void add_scaled(float*, const __nv_bfloat16*, float, int64_t, cudaStream_t);

}  // namespace eet::kernels
