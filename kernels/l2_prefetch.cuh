// How a kernel asks for the weights of the next one: blocks beyond those with work of their own do
// it, as soon as the kernel starts.
//
// Between two products a small kernel leaves memory idle for 3 to 5 us, its start and its end
// included. Asked for in that time, the weights of a small model are in L2 when its product starts.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/l2_prefetch.h"

namespace eet::kernels {

// Blocks to add to the grid: enough that none has much to ask for.
inline unsigned prefetch_blocks(const L2Prefetch& prefetch) {
  constexpr int kMaxBlocks = 64;
  constexpr int kMinRows = 32;
  return static_cast<unsigned>(std::min(kMaxBlocks, (prefetch.rows + kMinRows - 1) / kMinRows));
}

// The part of one of `num_blocks` blocks. Asks and returns: nothing waits for the bytes.
__device__ __forceinline__ void prefetch_rows(const L2Prefetch& prefetch, unsigned block,
                                              unsigned num_blocks) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  const size_t first = __cvta_generic_to_global(prefetch.data);
  for (unsigned row = block * blockDim.x + threadIdx.x; row < static_cast<unsigned>(prefetch.rows);
       row += num_blocks * blockDim.x) {
    asm volatile(
        "cp.async.bulk.prefetch.L2.global [%0], %1;\n" ::"l"(first + row * prefetch.stride),
        "r"(prefetch.width)
        : "memory");
  }
#endif
}

}  // namespace eet::kernels
