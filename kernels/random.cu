// Random tensors, for benchmarks without a checkpoint.
#include <algorithm>

#include "kernels/contract/host_device.h"
#include "kernels/contract/philox.h"
#include "kernels/cuda_check.h"
#include "kernels/random.h"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 4096;
constexpr int kGroupSize = 4;  // deviates of one normal_quad

template <typename T>
__global__ void __launch_bounds__(kThreads)
    fill_normal_kernel(T* __restrict__ out, int64_t count, float mean, float stddev,
                       uint64_t seed) {
  const int64_t num_groups = ceil_div<int64_t>(count, kGroupSize);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t group = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
       group < num_groups; group += stride) {
    const NormalQuad quad = normal_quad(seed, static_cast<uint64_t>(group));
#pragma unroll
    for (int i = 0; i < kGroupSize; ++i) {
      const int64_t index = group * kGroupSize + i;
      if (index < count) out[index] = from_float<T>(mean + stddev * quad.value[i]);
    }
  }
}

}  // namespace

template <typename T>
void fill_normal(T* out, int64_t count, float mean, float stddev, uint64_t seed,
                 cudaStream_t stream) {
  if (count == 0) return;
  const int64_t elements_per_block = int64_t{kThreads} * kGroupSize;
  const int64_t blocks = std::min(ceil_div<int64_t>(count, elements_per_block), kMaxBlocks);
  fill_normal_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(out, count, mean,
                                                                             stddev, seed);
  CUDA_CHECK_LAUNCH();
}

template void fill_normal(float*, int64_t, float, float, uint64_t, cudaStream_t);
template void fill_normal(__half*, int64_t, float, float, uint64_t, cudaStream_t);
template void fill_normal(__nv_bfloat16*, int64_t, float, float, uint64_t, cudaStream_t);

}  // namespace eet::kernels
