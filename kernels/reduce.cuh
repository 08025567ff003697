// Sums over a warp and over a block. The order of the additions is fixed by the thread count, so a
// result depends on nothing but its inputs.
#pragma once

namespace eet::kernels {

inline constexpr int kWarpSize = 32;
inline constexpr int kMaxWarps = 32;  // of a block

// The sum over the warp, in every lane.
__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    x += __shfl_xor_sync(0xFFFFFFFFU, x, offset);
  }
  return x;
}

// The sum over a block of whole warps, in every thread. `partial` is shared memory that no other
// reduction of the kernel uses.
__device__ __forceinline__ float block_sum(float x, float (&partial)[kMaxWarps]) {
  x = warp_sum(x);
  if (blockDim.x == kWarpSize) return x;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  if (lane == 0) partial[threadIdx.x / kWarpSize] = x;
  __syncthreads();
  return warp_sum(lane < static_cast<int>(blockDim.x) / kWarpSize ? partial[lane] : 0.0F);
}

}  // namespace eet::kernels
