// The pairs sorted by expert: one block an expert. A block counts all experts' pairs, so as to know
// where its own begin, and then places these in their order.
#include "kernels/expert_routing.h"
#include "kernels/launch.cuh"
#include "kernels/precondition.h"
#include "kernels/reduce.cuh"

namespace eet::kernels {
namespace {

constexpr int kThreads = 512;
constexpr int kPerThread = 8;  // pairs
constexpr int kWarps = kThreads / kWarpSize;
constexpr unsigned kAllLanes = 0xFFFFFFFFU;

// The sum over the block, in every thread; all threads call it.
__device__ int block_sum(int x, int (&partial)[kWarps]) {
  x = __reduce_add_sync(kAllLanes, x);
  __syncthreads();  // what another call left has been read
  if (threadIdx.x % kWarpSize == 0) partial[threadIdx.x / kWarpSize] = x;
  __syncthreads();
  int sum = 0;
  for (int warp = 0; warp < kWarps; ++warp) sum += partial[warp];
  return sum;
}

// The experts of a thread's pairs; -1 past the last one.
__device__ __forceinline__ void load_experts(int (&experts)[kPerThread], const ExpertGroups& groups,
                                             int first) {
  const int num_pairs = groups.num_rows * groups.top_k;
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    experts[i] = first + i < num_pairs ? groups.experts[first + i] : -1;
  }
}

__global__ void __launch_bounds__(kThreads) group_pairs_kernel(const ExpertGroups groups) {
  __shared__ int counts[kMaxExperts];
  __shared__ int partial[kWarps];
  wait_for_previous_kernel();
  const int expert = static_cast<int>(blockIdx.x);
  const int thread = static_cast<int>(threadIdx.x);
  const int num_pairs = groups.num_rows * groups.top_k;
  for (int e = thread; e < groups.num_experts; e += kThreads) counts[e] = 0;
  __syncthreads();
  for (int first = 0; first < num_pairs; first += kThreads * kPerThread) {
    int experts[kPerThread];
    load_experts(experts, groups, first + thread * kPerThread);
#pragma unroll
    for (const int e : experts) {
      if (e >= 0) atomicAdd(&counts[e], 1);
    }
  }
  __syncthreads();

  int pairs_before = 0;
  int tiles_before = 0;
  for (int e = thread; e < expert; e += kThreads) {
    pairs_before += counts[e];
    tiles_before += ceil_div(counts[e], groups.tile_rows);
  }
  const int begin = block_sum(pairs_before, partial);
  const int first_tile = block_sum(tiles_before, partial);
  const int count = counts[expert];
  const int num_tiles = ceil_div(count, groups.tile_rows);
  for (int i = thread; i < num_tiles; i += kThreads) {
    const int done = i * groups.tile_rows;
    groups.tiles[first_tile + i] = {expert, begin + done, min(count - done, groups.tile_rows), 0};
  }
  if (thread == 0) {
    groups.offsets[expert] = begin;
    if (expert == groups.num_experts - 1) {
      groups.offsets[expert + 1] = begin + count;
      *groups.num_tiles = first_tile + num_tiles;
    }
  }

  // A pair's place: after those of earlier passes of the loop, of the warps before, of the lanes
  // before, and of this thread.
  const int warp = thread / kWarpSize;
  const int lane = thread % kWarpSize;
  int next = begin;
  for (int first = 0; first < num_pairs && next < begin + count; first += kThreads * kPerThread) {
    const int pair = first + thread * kPerThread;
    int experts[kPerThread];
    load_experts(experts, groups, pair);
    int mine = 0;
#pragma unroll
    for (const int e : experts) mine += e == expert ? 1 : 0;
    int up_to_this = mine;
#pragma unroll
    for (int offset = 1; offset < kWarpSize; offset *= 2) {
      const int before = __shfl_up_sync(kAllLanes, up_to_this, offset);
      if (lane >= offset) up_to_this += before;
    }
    __syncthreads();  // what was there before has been read
    if (lane == kWarpSize - 1) partial[warp] = up_to_this;
    __syncthreads();
    int place = next + up_to_this - mine;
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) place += partial[w];
      next += partial[w];
    }
#pragma unroll
    for (int i = 0; i < kPerThread; ++i) {
      if (experts[i] == expert) groups.pairs[place++] = pair + i;
    }
  }
}

}  // namespace

void group_pairs(const ExpertGroups& groups, cudaStream_t stream) {
  check_precondition(groups.num_pairs() <= INT32_MAX, "group_pairs: ", groups.num_pairs(),
                     " pairs");
  if (groups.num_rows == 0) return;
  launch_overlapped(group_pairs_kernel, groups.num_experts, kThreads, 0, stream, groups);
}

}  // namespace eet::kernels
