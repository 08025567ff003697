// The norm of what a block gave, the residual addition and the norm after it, in one pass.
#include "kernels/contract/host_device.h"
#include "kernels/launch.cuh"
#include "kernels/norm.cuh"
#include "kernels/post_norm.h"
#include "kernels/precondition.h"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

// One block per row; the shape is that of add_norm_kernel (kernels/norm.cu).
template <typename T, bool kMaySubtractMean, int N, int kElements>
__global__ void __launch_bounds__(kMaxNormThreads)
    post_norm_kernel(T* out, float* residual, const T* delta, float delta_scale,
                     const Norm<T> post_norm, const Norm<T> norm, const int32_t* rows, int hidden) {
  constexpr int kSteps = kElements / N;
  constexpr bool kEarly = kElements == kFewElements;
  release_next_kernel();  // a product
  __shared__ float partials[2][2][kMaxWarps];
  // As in add_norm_kernel.
  const Columns columns = {.first = static_cast<int>(threadIdx.x) * N,
                           .stride = N == 1 ? kMaxNormThreads : static_cast<int>(blockDim.x) * N,
                           .count = hidden};

  NormPart<T, N, kSteps> post_part;
  NormPart<T, N, kSteps> part;
  if constexpr (kEarly) {
    post_part.load(post_norm, columns);
    part.load(norm, columns);
  }
  const int64_t token = rows == nullptr ? blockIdx.x : rows[blockIdx.x];
  float* residual_row = residual + token * hidden;
  Vec<float, N> x[kSteps];
  if constexpr (kEarly) load_row(x, residual_row, columns.first, columns.stride, hidden);
  wait_for_previous_kernel();

  Vec<T, N> loaded[kSteps];
  load_row(loaded, delta + token * hidden, columns.first, columns.stride, hidden);
  Vec<float, N> addend[kSteps];
  for_each_element<N, kSteps>(
      columns, [&](int step, int i) { addend[step].value[i] = to_float(loaded[step].value[i]); });
  if constexpr (!kEarly) post_part.load(post_norm, columns);
  normalise<kMaySubtractMean>(addend, post_norm, post_part, columns, partials[0]);

  if constexpr (!kEarly) load_row(x, residual_row, columns.first, columns.stride, hidden);
  for_each_element<N, kSteps>(columns, [&](int step, int i) {
    x[step].value[i] = __fadd_rn(x[step].value[i], __fmul_rn(delta_scale, addend[step].value[i]));
  });
  if (rows == nullptr) {
    for_each_vector<N, kSteps>(
        columns, [&](int step, int column) { store_vec<N>(residual_row + column, x[step]); });
  }
  if constexpr (!kEarly) part.load(norm, columns);
  normalise<kMaySubtractMean>(x, norm, part, columns, partials[1]);
  T* out_row = out + static_cast<int64_t>(blockIdx.x) * hidden;
  for_each_vector<N, kSteps>(
      columns, [&](int step, int column) { store_floats<N>(out_row + column, x[step]); });
}

}  // namespace

template <typename T>
void post_norm_add_norm(T* out, float* residual, const T* delta, float delta_scale,
                        const Norm<T>& post_norm, const Norm<T>& norm, const int32_t* rows,
                        int num_rows, int hidden, cudaStream_t stream) {
  check_precondition(hidden > 0 && hidden <= kMaxNormHidden, "post_norm_add_norm: hidden of ",
                     hidden);
  if (num_rows == 0) return;
  const Norm<T> first = resolve(post_norm);
  const Norm<T> second = resolve(norm);
  constexpr int kWidth = kVecWidth<float>;  // the residual is the widest of the streams
  const auto is_wide = [&](const auto* row) { return is_vectorisable<kWidth>(row, hidden); };
  const bool vectorised = is_wide(out) && is_wide(residual) && is_wide(delta) &&
                          is_wide(first.weight) && is_wide(first.bias) && is_wide(second.weight) &&
                          is_wide(second.bias);
  const auto launch = [&](auto kernel, int threads) {
    launch_overlapped(kernel, num_rows, threads, 0, stream, out, residual, delta, delta_scale,
                      first, second, rows, hidden);
  };
  const auto run = [&]<bool kMaySubtractMean>() {
    if (!vectorised) {
      launch(post_norm_kernel<T, kMaySubtractMean, 1, kManyElements>, kMaxNormThreads);
    } else if (hidden > kFewElements * kMaxNormThreads) {
      launch(post_norm_kernel<T, kMaySubtractMean, kWidth, kManyElements>,
             block_threads(ceil_div(hidden, kManyElements), kMaxNormThreads));
    } else {
      launch(post_norm_kernel<T, kMaySubtractMean, kWidth, kFewElements>,
             block_threads(ceil_div(hidden, kFewElements), kMaxNormThreads));
    }
  };
  first.kind == NormKind::kLayer || second.kind == NormKind::kLayer
      ? run.template operator()<true>()
      : run.template operator()<false>();
}

#define EET_POST_NORM(T)                                                                        \
  template void post_norm_add_norm(T*, float*, const T*, float, const Norm<T>&, const Norm<T>&, \
                                   const int32_t*, int, int, cudaStream_t)
EET_POST_NORM(float);
EET_POST_NORM(__half);
EET_POST_NORM(__nv_bfloat16);
#undef EET_POST_NORM

}  // namespace eet::kernels
