// Token and position embeddings, added into the residual stream.
#include "kernels/contract/host_device.h"
#include "kernels/embedding.h"
#include "kernels/launch.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kMaxThreads = 256;

// One block per token; N elements per thread and pass.
template <typename T, int N>
__global__ void __launch_bounds__(kMaxThreads)
    embed_kernel(float* residual, const int32_t* token_ids, const int32_t* positions,
                 const T* __restrict__ token_table, const T* __restrict__ position_table,
                 float scale, int hidden) {
  wait_for_previous_kernel();
  const int64_t token = blockIdx.x;
  const int64_t position = positions[token];
  const bool is_real = position >= 0;
  const T* token_row =
      token_table + (is_real ? token_ids[token] : 0) * static_cast<int64_t>(hidden);
  const T* position_row = position_table + (is_real ? position : 0) * hidden;
  float* out_row = residual + token * hidden;
  for (int column = threadIdx.x * N; column < hidden; column += blockDim.x * N) {
    Vec<float, N> sum{};
    if (is_real) {
      sum = load_floats<N>(token_row + column);
#pragma unroll
      for (int i = 0; i < N; ++i) sum.value[i] = __fmul_rn(scale, sum.value[i]);
      if (position_table != nullptr) {
        const Vec<float, N> term = load_floats<N>(position_row + column);
#pragma unroll
        for (int i = 0; i < N; ++i) sum.value[i] = __fadd_rn(sum.value[i], term.value[i]);
      }
    }
    store_vec<N>(out_row + column, sum);
  }
}

template <typename T, int N>
void launch(float* residual, const int32_t* token_ids, const int32_t* positions,
            const T* token_table, const T* position_table, float scale, int num_tokens, int hidden,
            cudaStream_t stream) {
  const int threads = block_threads(ceil_div(hidden, N), kMaxThreads);
  launch_overlapped(embed_kernel<T, N>, num_tokens, threads, 0, stream, residual, token_ids,
                    positions, token_table, position_table, scale, hidden);
}

}  // namespace

template <typename T>
void embed(float* residual, const int32_t* token_ids, const int32_t* positions,
           const T* token_table, const T* position_table, float scale, int num_tokens, int hidden,
           cudaStream_t stream) {
  if (num_tokens == 0) return;
  constexpr int kWidth = kVecWidth<T>;
  const bool vectorised = is_vectorisable<kWidth>(residual, hidden) &&
                          is_vectorisable<kWidth>(token_table, hidden) &&
                          is_vectorisable<kWidth>(position_table, hidden);
  const auto launcher = vectorised ? launch<T, kWidth> : launch<T, 1>;
  launcher(residual, token_ids, positions, token_table, position_table, scale, num_tokens, hidden,
           stream);
}

template void embed(float*, const int32_t*, const int32_t*, const float*, const float*, float, int,
                    int, cudaStream_t);
template void embed(float*, const int32_t*, const int32_t*, const __half*, const __half*, float,
                    int, int, cudaStream_t);
template void embed(float*, const int32_t*, const int32_t*, const __nv_bfloat16*,
                    const __nv_bfloat16*, float, int, int, cudaStream_t);

}  // namespace eet::kernels
