// Norms of whole rows.
#include "kernels/contract/host_device.h"
#include "kernels/launch.cuh"
#include "kernels/norm.cuh"
#include "kernels/norm_rows.h"
#include "kernels/precondition.h"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

// A block for each row. A thread holds its part, N neighbouring elements at a time, from the first
// load to the last store.
template <typename X, typename W, int N, bool kSubtractsMean>
__global__ void __launch_bounds__(kMaxNormThreads)
    norm_rows_kernel(X* out, const X* x, int width, const Norm<W> norm) {
  constexpr int kSteps = kManyElements / N;
  __shared__ float partials[2][kMaxWarps];
  const Columns columns = {.first = static_cast<int>(threadIdx.x) * N,
                           .stride = static_cast<int>(blockDim.x) * N,
                           .count = width};
  wait_for_previous_kernel();
  const int64_t offset = static_cast<int64_t>(blockIdx.x) * width;
  Vec<float, N> values[kSteps];
  for_each_vector<N, kSteps>(
      columns, [&](int step, int column) { values[step] = load_floats<N>(x + offset + column); });
  NormPart<W, N, kSteps> part;
  part.load(norm, columns);
  normalise<kSubtractsMean>(values, norm, part, columns, partials);
  for_each_vector<N, kSteps>(
      columns, [&](int step, int column) { store_floats<N>(out + offset + column, values[step]); });
}

}  // namespace

template <typename X, typename W>
void norm_rows(X* out, const X* x, int num_rows, int width, const Norm<W>& norm,
               cudaStream_t stream) {
  check_precondition(width > 0 && width <= kMaxNormHidden, "norm_rows: width of ", width);
  if (num_rows == 0) return;
  const Norm<W> resolved = resolve(norm);
  constexpr int N = kVecWidth<float>;
  const bool vectorised = is_vectorisable<N>(out, width) && is_vectorisable<N>(x, width) &&
                          is_vectorisable<N>(resolved.weight, width) &&
                          is_vectorisable<N>(resolved.bias, width);
  const int threads = block_threads(ceil_div(width, kManyElements), kMaxNormThreads);
  const auto run = [&]<bool kSubtractsMean>() {
    const auto kernel = vectorised ? norm_rows_kernel<X, W, N, kSubtractsMean>
                                   : norm_rows_kernel<X, W, 1, kSubtractsMean>;
    launch_overlapped(kernel, static_cast<unsigned>(num_rows), threads, 0, stream, out, x, width,
                      resolved);
  };
  norm.kind == NormKind::kLayer ? run.template operator()<true>()
                                : run.template operator()<false>();
}

#define EET_NORM_ROWS(X, W) \
  template void norm_rows(X*, const X*, int, int, const Norm<W>&, cudaStream_t)
EET_NORM_ROWS(float, float);
EET_NORM_ROWS(float, __half);
EET_NORM_ROWS(float, __nv_bfloat16);
EET_NORM_ROWS(__half, __half);
EET_NORM_ROWS(__nv_bfloat16, __nv_bfloat16);
#undef EET_NORM_ROWS

}  // namespace eet::kernels
