// The MLP's activation functions.
#include "kernels/activation.cuh"
#include "kernels/contract/host_device.h"
#include "kernels/launch.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kMaxThreads = 256;

// blockIdx.x is the row, blockIdx.y the part of its columns; N elements per thread.
template <typename T, ActivationFunction kFunction, bool kGated, int N>
__global__ void __launch_bounds__(kMaxThreads)
    activation_kernel(T* out, const T* x, int64_t width) {
  wait_for_previous_kernel();
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * N;
  if (column >= width) return;
  const T* x_row = x + blockIdx.x * (kGated ? 2 * width : width);
  Vec<float, N> y = load_floats<N>(x_row + column);
  Vec<float, N> factor;
  if constexpr (kGated) factor = load_floats<N>(x_row + width + column);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    y.value[i] = activate<kFunction, T>(y.value[i]);
    if constexpr (kGated) y.value[i] *= factor.value[i];
  }
  store_floats<N>(out + blockIdx.x * width + column, y);
}

template <typename T, ActivationFunction kFunction, bool kGated, int N>
void launch(T* out, const T* x, int num_rows, int64_t width, cudaStream_t stream) {
  const int64_t items = ceil_div<int64_t>(width, N);
  const int threads = block_threads(items, kMaxThreads);
  const dim3 grid(static_cast<unsigned>(num_rows),
                  static_cast<unsigned>(ceil_div<int64_t>(items, threads)));
  launch_overlapped(activation_kernel<T, kFunction, kGated, N>, grid, threads, 0, stream, out, x,
                    width);
}

template <typename T, ActivationFunction kFunction, bool kGated>
void run(T* out, const T* x, int num_rows, int64_t width, cudaStream_t stream) {
  constexpr int kWidth = kVecWidth<T>;
  const bool vectorised = is_vectorisable<kWidth>(out, width) && is_vectorisable<kWidth>(x, width);
  const auto launcher =
      vectorised ? launch<T, kFunction, kGated, kWidth> : launch<T, kFunction, kGated, 1>;
  launcher(out, x, num_rows, width, stream);
}

template <typename T, bool kGated>
void select(T* out, const T* x, int num_rows, int64_t width, ActivationFunction function,
            cudaStream_t stream) {
  if (num_rows == 0) return;
  switch (function) {
    case ActivationFunction::kSilu:
      return run<T, ActivationFunction::kSilu, kGated>(out, x, num_rows, width, stream);
    case ActivationFunction::kGeluTanh:
      return run<T, ActivationFunction::kGeluTanh, kGated>(out, x, num_rows, width, stream);
    case ActivationFunction::kGeluErf:
      return run<T, ActivationFunction::kGeluErf, kGated>(out, x, num_rows, width, stream);
    case ActivationFunction::kRelu:
      return run<T, ActivationFunction::kRelu, kGated>(out, x, num_rows, width, stream);
    case ActivationFunction::kReluSquared:
      return run<T, ActivationFunction::kReluSquared, kGated>(out, x, num_rows, width, stream);
  }
}

}  // namespace

template <typename T>
void activation(T* out, const T* x, int num_rows, int64_t width, ActivationFunction function,
                cudaStream_t stream) {
  select<T, false>(out, x, num_rows, width, function, stream);
}

template <typename T>
void gated_activation(T* out, const T* x, int num_rows, int64_t width, ActivationFunction function,
                      cudaStream_t stream) {
  select<T, true>(out, x, num_rows, width, function, stream);
}

template void activation(float*, const float*, int, int64_t, ActivationFunction, cudaStream_t);
template void activation(__half*, const __half*, int, int64_t, ActivationFunction, cudaStream_t);
template void activation(__nv_bfloat16*, const __nv_bfloat16*, int, int64_t, ActivationFunction,
                         cudaStream_t);
template void gated_activation(float*, const float*, int, int64_t, ActivationFunction,
                               cudaStream_t);
template void gated_activation(__half*, const __half*, int, int64_t, ActivationFunction,
                               cudaStream_t);
template void gated_activation(__nv_bfloat16*, const __nv_bfloat16*, int, int64_t,
                               ActivationFunction, cudaStream_t);

}  // namespace eet::kernels
