// The residual addition and the norm after it, in one pass over the row.
#include "kernels/contract/host_device.h"
#include "kernels/launch.cuh"
#include "kernels/norm.cuh"
#include "kernels/precondition.h"
#include "kernels/reduce.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

struct AddNormScalars {
  float delta_scale;
  float weight_offset;
  float eps;
  bool normalises;  // else the row stays as it is
};

// One block per row. Each thread holds its part of the row, N neighbouring elements at a time, from
// the first load to the last store. Where registers suffice the weights and, where the previous
// kernel made `delta` and so not the residual, the residual come while it ends; all other loads are
// issued before the first sum.
//
// kPlain: the scalars are 1, 0 and true. The norm is bound by the latency of its steps, and the
// additional ones cost 1.5 % of a decode step of a small model (GPT-2 124M, H200).
template <typename T, bool kSubtractsMean, bool kPlain, int N, int kElements>
__global__ void __launch_bounds__(kMaxNormThreads)
    add_norm_kernel(T* out, float* residual, const T* delta, const T* __restrict__ weight,
                    const T* __restrict__ bias, const int32_t* rows, int hidden,
                    const AddNormScalars scalars) {
  constexpr int kSteps = kElements / N;
  constexpr bool kEarly = kElements == kFewElements;
  release_next_kernel();  // a product
  __shared__ float partial_mean[kMaxWarps];
  __shared__ float partial_variance[kMaxWarps];

  // Rows that cannot be read as vectors have an access for each element; with a constant stride
  // these share one address register.
  const int stride = N == 1 ? kMaxNormThreads : static_cast<int>(blockDim.x) * N;
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
      for (int i = 0; i < N; ++i) {
        const float addend = to_float(d[step].value[i]);
        // Rounded twice, as the CPU does.
        x[step].value[i] =
            kPlain ? x[step].value[i] + addend
                   : __fadd_rn(x[step].value[i], __fmul_rn(scalars.delta_scale, addend));
      }
      if (rows == nullptr) store_vec<N>(residual_row + column, x[step]);
    }
  }

  float mean = 0.0F;
  if constexpr (kSubtractsMean) {
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
  const float inverse = kPlain || scalars.normalises ? 1.0F / sqrtf(variance + scalars.eps) : 1.0F;

  if constexpr (!kEarly) load_weights();
  T* out_row = out + static_cast<int64_t>(blockIdx.x) * hidden;
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int column = first + step * stride;
    if (column >= hidden) continue;
    Vec<float, N> y;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float weight_value = to_float(w[step].value[i]);
      const float factor = kPlain ? weight_value : scalars.weight_offset + weight_value;
      y.value[i] = (x[step].value[i] - mean) * inverse * factor;
    }
    if (bias != nullptr) {
#pragma unroll
      for (int i = 0; i < N; ++i) y.value[i] += to_float(b[step].value[i]);
    }
    store_floats<N>(out_row + column, y);
  }
}

template <typename T, bool kSubtractsMean, bool kPlain, int N, int kElements>
void launch(T* out, float* residual, const T* delta, float delta_scale, const Norm<T>& norm,
            const int32_t* rows, int num_rows, int hidden, cudaStream_t stream) {
  const int items = ceil_div(hidden, kElements);
  const int threads = N == 1 ? kMaxNormThreads : block_threads(items, kMaxNormThreads);
  const AddNormScalars scalars = {.delta_scale = delta_scale,
                                  .weight_offset = norm.weight_offset,
                                  .eps = norm.eps,
                                  .normalises = norm.kind != NormKind::kNone};
  launch_overlapped(add_norm_kernel<T, kSubtractsMean, kPlain, N, kElements>, num_rows, threads, 0,
                    stream, out, residual, delta, norm.weight, norm.bias, rows, hidden, scalars);
}

}  // namespace

template <typename T>
void add_norm(T* out, float* residual, const T* delta, float delta_scale, const Norm<T>& norm,
              const int32_t* rows, int num_rows, int hidden, cudaStream_t stream) {
  check_precondition(hidden > 0 && hidden <= kMaxNormHidden, "add_norm: hidden of ", hidden);
  if (num_rows == 0) return;
  const Norm<T> resolved = resolve(norm);
  constexpr int kWidth = kVecWidth<float>;  // the residual is the widest of the streams
  const bool vectorised =
      is_vectorisable<kWidth>(out, hidden) && is_vectorisable<kWidth>(residual, hidden) &&
      is_vectorisable<kWidth>(delta, hidden) && is_vectorisable<kWidth>(resolved.weight, hidden) &&
      is_vectorisable<kWidth>(resolved.bias, hidden);
  const bool is_plain =
      delta_scale == 1.0F && resolved.weight_offset == 0.0F && norm.kind != NormKind::kNone;
  const auto run = [&]<bool kSubtractsMean>() {
    const auto launcher = !vectorised ? launch<T, kSubtractsMean, false, 1, kManyElements>
                          : hidden > kFewElements * kMaxNormThreads
                              ? launch<T, kSubtractsMean, false, kWidth, kManyElements>
                          : is_plain ? launch<T, kSubtractsMean, true, kWidth, kFewElements>
                                     : launch<T, kSubtractsMean, false, kWidth, kFewElements>;
    launcher(out, residual, delta, delta_scale, resolved, rows, num_rows, hidden, stream);
  };
  norm.kind == NormKind::kLayer ? run.template operator()<true>()
                                : run.template operator()<false>();
}

template void add_norm(float*, float*, const float*, float, const Norm<float>&, const int32_t*, int,
                       int, cudaStream_t);
template void add_norm(__half*, float*, const __half*, float, const Norm<__half>&, const int32_t*,
                       int, int, cudaStream_t);
template void add_norm(__nv_bfloat16*, float*, const __nv_bfloat16*, float,
                       const Norm<__nv_bfloat16>&, const int32_t*, int, int, cudaStream_t);

}  // namespace eet::kernels
