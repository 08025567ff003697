// Norms of groups of a row's elements.
#include <algorithm>

#include "kernels/contract/host_device.h"
#include "kernels/launch.cuh"
#include "kernels/norm.cuh"
#include "kernels/norm_groups.h"
#include "kernels/precondition.h"
#include "kernels/reduce.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kElements = kMaxNormHidden / kMaxThreads;  // that a thread keeps in registers
constexpr int kBlockWarps = 8;                           // where a warp has a group
constexpr int kMaxWarpWidth = kElements * kWarpSize;

// A group for each warp, or for each block. A thread holds its part of the group, N neighbouring
// elements at a time, from the first load to the last store.
template <typename X, typename W, int N, bool kByWarp>
__global__ void __launch_bounds__(kByWarp ? kBlockWarps* kWarpSize : kMaxThreads)
    norm_groups_kernel(X* out, const X* x, int num_rows, int64_t row_size, const NormGroups<W> some,
                       const NormGroups<W> others) {
  constexpr int kSteps = kElements / N;
  __shared__ float partial_mean[kMaxWarps];
  __shared__ float partial_variance[kMaxWarps];
  wait_for_previous_kernel();
  const unsigned team = kByWarp ? blockIdx.x * kBlockWarps + threadIdx.x / kWarpSize : blockIdx.x;
  const unsigned groups_per_row = static_cast<unsigned>(some.count + others.count);
  const int64_t row = team / groups_per_row;
  if (row >= num_rows) return;  // whole warps
  int index = static_cast<int>(team % groups_per_row);
  const bool is_other = index >= some.count;
  if (is_other) index -= some.count;
  const NormGroups<W>& groups = is_other ? others : some;
  const int width = groups.width;
  const int first = static_cast<int>(kByWarp ? threadIdx.x % kWarpSize : threadIdx.x) * N;
  const int stride = static_cast<int>(kByWarp ? kWarpSize : blockDim.x) * N;
  const int64_t offset = row * row_size + groups.first + static_cast<int64_t>(index) * width;
  const auto team_sum = [](float term, float(&partial)[kMaxWarps]) {
    return kByWarp ? warp_sum(term) : block_sum(term, partial);
  };

  Vec<float, N> values[kSteps];
  float sum = 0.0F;
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int column = first + step * stride;
    values[step] = {};
    if (column < width) values[step] = load_floats<N>(x + offset + column);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += values[step].value[i];
  }
  const auto size = static_cast<float>(width);
  const bool subtracts_mean = groups.norm.kind == NormKind::kLayer;
  const float mean = subtracts_mean ? team_sum(sum, partial_mean) / size : 0.0F;
  float sum_of_squares = 0.0F;
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    if (first + step * stride >= width) continue;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float distance = values[step].value[i] - mean;
      sum_of_squares += distance * distance;
    }
  }
  const float variance = team_sum(sum_of_squares, partial_variance) / size;
  const bool normalises = groups.norm.kind != NormKind::kNone;
  const float inverse = normalises ? 1.0F / sqrtf(variance + groups.norm.eps) : 1.0F;

#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int column = first + step * stride;
    if (column >= width) continue;
    const int element = index * width + column;
    Vec<float, N> weight{};
    Vec<float, N> bias{};
    if (groups.norm.weight != nullptr) {
      weight = load_floats<N>(groups.norm.weight + element % groups.num_weights);
    }
    if (groups.norm.bias != nullptr) {
      bias = load_floats<N>(groups.norm.bias + element % groups.num_biases);
    }
    Vec<float, N> y;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float factor = groups.norm.weight_offset + weight.value[i];
      y.value[i] = (values[step].value[i] - mean) * inverse * factor + bias.value[i];
    }
    store_floats<N>(out + offset + column, y);
  }
}

template <typename W>
void check_groups(const NormGroups<W>& groups) {
  if (groups.count == 0) return;
  check_precondition(groups.width > 0 && groups.width <= kMaxNormHidden, "norm_groups: groups of ",
                     groups.width, " elements");
  check_precondition((groups.norm.weight == nullptr || groups.num_weights > 0) &&
                         (groups.norm.bias == nullptr || groups.num_biases > 0),
                     "norm_groups: no number of weights or biases");
}

// Whether groups begin, and their weights repeat, at whole vectors.
template <int N, typename W>
bool is_vectorisable(const NormGroups<W>& groups) {
  const auto repeats_at_vectors = [](const W* vector, int size) {
    return vector == nullptr || kernels::is_vectorisable<N>(vector, size);
  };
  return groups.count == 0 || (groups.first % N == 0 && groups.width % N == 0 &&
                               repeats_at_vectors(groups.norm.weight, groups.num_weights) &&
                               repeats_at_vectors(groups.norm.bias, groups.num_biases));
}

}  // namespace

template <typename X, typename W>
void norm_groups(X* out, const X* x, int num_rows, int64_t row_size, const NormGroups<W>& some,
                 const NormGroups<W>& others, cudaStream_t stream) {
  check_groups(some);
  check_groups(others);
  const int64_t num_groups = static_cast<int64_t>(num_rows) * (some.count + others.count);
  if (num_groups == 0) return;
  NormGroups<W> first = some;
  NormGroups<W> second = others;
  first.norm = resolve(some.norm);
  second.norm = resolve(others.norm);
  constexpr int N = 4;
  const bool vectorised = is_vectorisable<N>(out, row_size) && is_vectorisable<N>(x, row_size) &&
                          is_vectorisable<N>(first) && is_vectorisable<N>(second);
  const int width = std::max(some.count > 0 ? some.width : 0, others.count > 0 ? others.width : 0);
  const auto run = [&](auto kernel, int64_t blocks, int threads) {
    launch_overlapped(kernel, static_cast<unsigned>(blocks), threads, 0, stream, out, x, num_rows,
                      row_size, first, second);
  };
  const int block = block_threads(ceil_div(width, kElements), kMaxThreads);
  if (!vectorised) {
    run(norm_groups_kernel<X, W, 1, false>, num_groups, block);
  } else if (width <= kMaxWarpWidth) {
    run(norm_groups_kernel<X, W, N, true>, ceil_div<int64_t>(num_groups, kBlockWarps),
        kBlockWarps * kWarpSize);
  } else {
    run(norm_groups_kernel<X, W, N, false>, num_groups, block);
  }
}

#define EET_NORM_GROUPS(X, W)                                                 \
  template void norm_groups(X*, const X*, int, int64_t, const NormGroups<W>&, \
                            const NormGroups<W>&, cudaStream_t)
EET_NORM_GROUPS(float, float);
EET_NORM_GROUPS(float, __half);
EET_NORM_GROUPS(float, __nv_bfloat16);
EET_NORM_GROUPS(__half, __half);
EET_NORM_GROUPS(__nv_bfloat16, __nv_bfloat16);
#undef EET_NORM_GROUPS

}  // namespace eet::kernels
