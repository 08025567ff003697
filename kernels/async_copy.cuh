// Copies from device to shared memory that bypass registers (cp.async, compute capability 8.0).
#pragma once

#include <cstdint>

namespace eet::kernels {

__device__ __forceinline__ uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

// Starts copying 16 bytes, or writing 16 zero bytes where `valid` is false (`source` is not read
// then). Both sides are aligned to 16 bytes.
__device__ __forceinline__ void copy_async_16(uint32_t shared, const void* source, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared), "l"(source),
               "r"(valid ? 16 : 0)
               : "memory");
}

// Ends the group of copies that this thread started since the last call.
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;\n" ::: "memory");
}

// Waits until at most `kPending` of this thread's latest groups are under way. Other threads see
// the bytes after a barrier.
template <int kPending>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
}

}  // namespace eet::kernels
