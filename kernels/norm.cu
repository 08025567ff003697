// The residual addition and the norm after it, in one pass over the row.
#include "kernels/contract/host_device.h"
#include "kernels/launch.cuh"
#include "kernels/norm.h"
#include "kernels/reduce.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kMaxThreads = 1024;
// Elements that a thread keeps in registers. The few leave room for the weights beside them.
constexpr int kFewElements = 8;
constexpr int kManyElements = kMaxNormHidden / kMaxThreads;

// A thread's part of a row; zeros beyond the row, and where there is none.
template <typename T, int N, int kSteps>
__device__ __forceinline__ void load_row(Vec<T, N> (&part)[kSteps], const T* row, int first,
                                         int stride, int hidden) {
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int column = first + step * stride;
    if (row != nullptr && column < hidden) {
      part[step] = load_vec<N>(row + column);
    } else {
      part[step] = {};
    }
  }
}

// One block per row. Each thread holds its part of the row, N neighbouring elements at a time, from
// the first load to the last store. Where registers suffice the weights and, where the previous
// kernel made `delta` and so not the residual, the residual come while it ends; all other loads are
// issued before the first sum.
template <typename T, Norm kKind, int N, int kElements>
__global__ void __launch_bounds__(kMaxThreads)
    add_norm_kernel(T* out, float* residual, const T* delta, const T* __restrict__ weight,
                    const T* __restrict__ bias, const int32_t* rows, int hidden, float eps) {
  constexpr int kSteps = kElements / N;
  constexpr bool kEarly = kElements == kFewElements;
  release_next_kernel();  // a product
  __shared__ float partial_mean[kMaxWarps];
  __shared__ float partial_variance[kMaxWarps];

  // Rows that cannot be read as vectors have an access for each element; with a constant stride
  // these share one address register.
  const int stride = N == 1 ? kMaxThreads : static_cast<int>(blockDim.x) * N;
  const int first = static_cast<int>(threadIdx.x) * N;

  Vec<T, N> w[kSteps];
  Vec<T, N> b[kSteps];
  const auto load_weights = [&] {
    load_row(w, weight, first, stride, hidden);
    load_row(b, bias, first, stride, hidden);
  };
  if constexpr (kEarly) load_weights();
  const int64_t token = rows == nullptr ? blockIdx.x : rows[blockIdx.x];
  float* residual_row = residual + token * hidden;
  Vec<float, N> x[kSteps];
  Vec<T, N> d[kSteps];
  const bool is_early = kEarly && delta != nullptr;
  if (is_early) load_row(x, residual_row, first, stride, hidden);
  wait_for_previous_kernel();

  if (!is_early) load_row(x, residual_row, first, stride, hidden);
  load_row(d, delta == nullptr ? nullptr : delta + token * hidden, first, stride, hidden);
  if (delta != nullptr) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int column = first + step * stride;
      if (column >= hidden) continue;
#pragma unroll
      for (int i = 0; i < N; ++i) x[step].value[i] += to_float(d[step].value[i]);
      if (rows == nullptr) store_vec<N>(residual_row + column, x[step]);
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

  if constexpr (!kEarly) load_weights();
  T* out_row = out + static_cast<int64_t>(blockIdx.x) * hidden;
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int column = first + step * stride;
    if (column >= hidden) continue;
    Vec<float, N> y;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      y.value[i] = (x[step].value[i] - mean) * inverse * to_float(w[step].value[i]);
    }
    if (bias != nullptr) {
#pragma unroll
      for (int i = 0; i < N; ++i) y.value[i] += to_float(b[step].value[i]);
    }
    store_floats<N>(out_row + column, y);
  }
}

template <typename T, Norm kKind, int N, int kElements>
void launch(T* out, float* residual, const T* delta, const T* weight, const T* bias,
            const int32_t* rows, int num_rows, int hidden, float eps, cudaStream_t stream) {
  const int items = ceil_div(hidden, kElements);
  const int threads = N == 1 ? kMaxThreads : block_threads(items, kMaxThreads);
  launch_overlapped(add_norm_kernel<T, kKind, N, kElements>, num_rows, threads, 0, stream, out,
                    residual, delta, weight, bias, rows, hidden, eps);
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
  const auto run = [&]<Norm kKind>() {
    const auto launcher = !vectorised ? launch<T, kKind, 1, kManyElements>
                          : hidden <= kFewElements * kMaxThreads
                              ? launch<T, kKind, kWidth, kFewElements>
                              : launch<T, kKind, kWidth, kManyElements>;
    launcher(out, residual, delta, weight, bias, rows, num_rows, hidden, eps, stream);
  };
  kind == Norm::kRms ? run.template operator()<Norm::kRms>()
                     : run.template operator()<Norm::kLayer>();
}

template void add_norm(float*, float*, const float*, const float*, const float*, const int32_t*,
                       int, int, Norm, float, cudaStream_t);
template void add_norm(__half*, float*, const __half*, const __half*, const __half*, const int32_t*,
                       int, int, Norm, float, cudaStream_t);
template void add_norm(__nv_bfloat16*, float*, const __nv_bfloat16*, const __nv_bfloat16*,
                       const __nv_bfloat16*, const int32_t*, int, int, Norm, float, cudaStream_t);

}  // namespace eet::kernels
