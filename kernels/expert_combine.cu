// What a row's experts made, added up.
#include "kernels/expert_routing.h"
#include "kernels/launch.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kMaxThreads = 256;

template <typename T>
struct CombineArgs {
  T* out;
  const T* expert_out;
  const T* shared;
  const float* gates;
  int64_t gates_stride;
  int64_t hidden;
};

template <int N, typename T>
__device__ __forceinline__ void add_scaled(Vec<float, N>& sum, float factor, const T* part) {
  const Vec<float, N> values = load_floats<N>(part);
#pragma unroll
  for (int i = 0; i < N; ++i) sum.value[i] += factor * values.value[i];
}

// blockIdx.x is the row, blockIdx.y the part of its columns; N elements per thread.
template <typename T, int N>
__global__ void __launch_bounds__(kMaxThreads)
    combine_experts_kernel(const CombineArgs<T> args, const ExpertGroups groups) {
  wait_for_previous_kernel();
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * N;
  if (column >= args.hidden) return;
  const int64_t row = blockIdx.x;
  Vec<float, N> sum = {};
  const int64_t first_pair = row * groups.top_k;
  const int slots = groups.experts[first_pair] < 0 ? 0 : groups.top_k;
#pragma unroll 4
  for (int slot = 0; slot < slots; ++slot) {
    const int64_t pair = first_pair + slot;
    add_scaled<N>(sum, groups.weights[pair], args.expert_out + pair * args.hidden + column);
  }
  if (args.shared != nullptr) {
    const float factor =
        args.gates == nullptr ? 1.0F : 1.0F / (1.0F + expf(-args.gates[row * args.gates_stride]));
    add_scaled<N>(sum, factor, args.shared + row * args.hidden + column);
  }
  store_floats<N>(args.out + row * args.hidden + column, sum);
}

template <typename T, int N>
void launch(const CombineArgs<T>& args, const ExpertGroups& groups, cudaStream_t stream) {
  const int64_t items = ceil_div<int64_t>(args.hidden, N);
  const int threads = block_threads(items, kMaxThreads);
  const dim3 grid(static_cast<unsigned>(groups.num_rows),
                  static_cast<unsigned>(ceil_div<int64_t>(items, threads)));
  launch_overlapped(combine_experts_kernel<T, N>, grid, threads, 0, stream, args, groups);
}

}  // namespace

template <typename T>
void combine_experts(T* out, const T* expert_out, const ExpertGroups& groups, const T* shared,
                     const float* gates, int64_t gates_stride, int64_t hidden,
                     cudaStream_t stream) {
  if (groups.num_rows == 0) return;
  constexpr int kWidth = kVecWidth<T>;
  const bool vectorised = is_vectorisable<kWidth>(out, hidden) &&
                          is_vectorisable<kWidth>(expert_out, hidden) &&
                          is_vectorisable<kWidth>(shared, hidden);
  const auto launcher = vectorised ? launch<T, kWidth> : launch<T, 1>;
  launcher({out, expert_out, shared, gates, gates_stride, hidden}, groups, stream);
}

#define EET_COMBINE(T)                                                                     \
  template void combine_experts(T*, const T*, const ExpertGroups&, const T*, const float*, \
                                int64_t, int64_t, cudaStream_t)
EET_COMBINE(float);
EET_COMBINE(__half);
EET_COMBINE(__nv_bfloat16);
#undef EET_COMBINE

}  // namespace eet::kernels
