// The residual addition and the norm after it, in one pass over the row.
#include "kernels/cuda_check.h"
#include "kernels/norm.h"
#include "kernels/reduce.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

// Elements that a thread keeps in registers: with kMaxThreads a row of kMaxNormHidden.
constexpr int kElementsPerThread = 16;
constexpr int kMaxThreads = kMaxNormHidden / kElementsPerThread;

// One block per row. Each thread holds its part of the row, N neighbouring elements at a time, from
// the first load to the last store; all loads are issued before the first sum.
template <typename T, Norm kKind, int N>
__global__ void __launch_bounds__(kMaxThreads)
    add_norm_kernel(T* __restrict__ out, float* __restrict__ residual, const T* __restrict__ delta,
                    const T* __restrict__ weight, const T* __restrict__ bias,
                    const int32_t* __restrict__ rows, int hidden, float eps) {
  constexpr int kSteps = kElementsPerThread / N;
  __shared__ float partial_mean[kMaxWarps];
  __shared__ float partial_variance[kMaxWarps];

  const int64_t token = rows == nullptr ? blockIdx.x : rows[blockIdx.x];
  float* residual_row = residual + token * hidden;
  // Rows that cannot be read as vectors have an access for each element; with a constant stride
  // these share one address register.
  const int stride = N == 1 ? kMaxThreads : static_cast<int>(blockDim.x) * N;
  const int first = static_cast<int>(threadIdx.x) * N;

  Vec<float, N> x[kSteps];
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int column = first + step * stride;
    if (column < hidden) {
      x[step] = load_vec<N>(residual_row + column);
    } else {
      x[step] = {};
    }
  }
  if (delta != nullptr) {
    const T* delta_row = delta + token * hidden;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int column = first + step * stride;
      if (column >= hidden) continue;
      const Vec<float, N> d = load_floats<N>(delta_row + column);
#pragma unroll
      for (int i = 0; i < N; ++i) x[step].value[i] += d.value[i];
      store_vec<N>(residual_row + column, x[step]);
    }
  }

  float mean = 0.0F;
  if constexpr (kKind == Norm::kLayer) {
    float sum = 0.0F;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
#pragma unroll
      for (int i = 0; i < N; ++i) sum += x[step].value[i];
    }
    mean = block_sum(sum, partial_mean) / static_cast<float>(hidden);
  }
  float sum_of_squares = 0.0F;
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    if (first + step * stride >= hidden) continue;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float distance = x[step].value[i] - mean;
      sum_of_squares += distance * distance;
    }
  }
  const float variance = block_sum(sum_of_squares, partial_variance) / static_cast<float>(hidden);
  const float inverse = 1.0F / sqrtf(variance + eps);

  T* out_row = out + static_cast<int64_t>(blockIdx.x) * hidden;
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int column = first + step * stride;
    if (column >= hidden) continue;
    const Vec<float, N> w = load_floats<N>(weight + column);
    Vec<float, N> y;
#pragma unroll
    for (int i = 0; i < N; ++i) y.value[i] = (x[step].value[i] - mean) * inverse * w.value[i];
    if (bias != nullptr) {
      const Vec<float, N> b = load_floats<N>(bias + column);
#pragma unroll
      for (int i = 0; i < N; ++i) y.value[i] += b.value[i];
    }
    store_floats<N>(out_row + column, y);
  }
}

template <typename T, Norm kKind, int N>
void launch(T* out, float* residual, const T* delta, const T* weight, const T* bias,
            const int32_t* rows, int num_rows, int hidden, float eps, cudaStream_t stream) {
  const int items = (hidden + kElementsPerThread - 1) / kElementsPerThread;
  const int threads = N == 1 ? kMaxThreads : block_threads(items, kMaxThreads);
  add_norm_kernel<T, kKind, N>
      <<<num_rows, threads, 0, stream>>>(out, residual, delta, weight, bias, rows, hidden, eps);
  CUDA_CHECK_LAUNCH();
}

}  // namespace

template <typename T>
void add_norm(T* out, float* residual, const T* delta, const T* weight, const T* bias,
              const int32_t* rows, int num_rows, int hidden, Norm kind, float eps,
              cudaStream_t stream) {
  if (num_rows == 0) return;
  constexpr int kWidth = kVecWidth<float>;  // the residual is the widest of the streams
  const bool vectorised =
      is_vectorisable<kWidth>(out, hidden) && is_vectorisable<kWidth>(residual, hidden) &&
      is_vectorisable<kWidth>(delta, hidden) && is_vectorisable<kWidth>(weight, hidden) &&
      is_vectorisable<kWidth>(bias, hidden);
  const auto run = [&](auto launcher) {
    launcher(out, residual, delta, weight, bias, rows, num_rows, hidden, eps, stream);
  };
  if (kind == Norm::kRms) {
    run(vectorised ? launch<T, Norm::kRms, kWidth> : launch<T, Norm::kRms, 1>);
  } else {
    run(vectorised ? launch<T, Norm::kLayer, kWidth> : launch<T, Norm::kLayer, 1>);
  }
}

template void add_norm(float*, float*, const float*, const float*, const float*, const int32_t*,
                       int, int, Norm, float, cudaStream_t);
template void add_norm(__half*, float*, const __half*, const __half*, const __half*, const int32_t*,
                       int, int, Norm, float, cudaStream_t);
template void add_norm(__nv_bfloat16*, float*, const __nv_bfloat16*, const __nv_bfloat16*,
                       const __nv_bfloat16*, const int32_t*, int, int, Norm, float, cudaStream_t);

}  // namespace eet::kernels
