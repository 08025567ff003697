// Hopper's barriers, bulk tensor copies and warpgroup products (compute capability 9.0a).
#pragma once

#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/async_copy.cuh"

namespace eet::kernels {

// ---- barriers in shared memory, by pointer or by address there

__device__ __forceinline__ void init_barrier(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(barrier), "r"(arrivals)
               : "memory");
}
__device__ __forceinline__ void init_barrier(uint64_t* barrier, int arrivals) {
  init_barrier(shared_address(barrier), arrivals);
}

// Makes initialised barriers known to the copy engine.
__device__ __forceinline__ void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory");
}

// Arrives, and tells the barrier to wait for so many bytes.
__device__ __forceinline__ void expect_bytes(uint64_t* barrier, int bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
}

__device__ __forceinline__ void arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(shared_address(barrier))
               : "memory");
}

__device__ __forceinline__ void wait_for(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}\n" ::"r"(barrier),
      "r"(parity)
      : "memory");
}
__device__ __forceinline__ void wait_for(uint64_t* barrier, uint32_t parity) {
  wait_for(shared_address(barrier), parity);
}

// ---- copies

__device__ __forceinline__ void prefetch_map(const CUtensorMap& map) {
  asm volatile("prefetch.tensormap [%0];\n" ::"l"(reinterpret_cast<uint64_t>(&map)) : "memory");
}

// Copies the map's box of the matrix that begins at (row, feature) to `target`; what lies outside
// of the matrix is zeros. The barrier counts the bytes.
__device__ __forceinline__ void copy_box(uint32_t target, const CUtensorMap& map, int feature,
                                         int row, uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%2, %3}], [%4];\n" ::"r"(target),
      "l"(reinterpret_cast<uint64_t>(&map)), "r"(feature), "r"(row), "r"(shared_address(barrier))
      : "memory");
}

// Copies the map's box of four dimensions that begins at (x, y, z, w).
__device__ __forceinline__ void copy_box(uint32_t target, const CUtensorMap& map, int x, int y,
                                         int z, int w, uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%2, %3, %4, %5}], [%6];\n" ::"r"(target),
      "l"(reinterpret_cast<uint64_t>(&map)), "r"(x), "r"(y), "r"(z), "r"(w),
      "r"(shared_address(barrier))
      : "memory");
}

// copy_box() of what is read once, see read_once_policy().
__device__ __forceinline__ void copy_box_once(uint32_t target, const CUtensorMap& map, int feature,
                                              int row, uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint"
      " [%0], [%1, {%2, %3}], [%4], %5;\n" ::"r"(target),
      "l"(reinterpret_cast<uint64_t>(&map)), "r"(feature), "r"(row), "r"(shared_address(barrier)),
      "l"(read_once_policy())
      : "memory");
}

// The next two are called by a whole warp, one lane of which does the work. The compiler takes a
// branch to one lane for divergent, and would bring each operand to a uniform register in a loop.

__device__ __forceinline__ void expect_bytes_in_one_lane(uint32_t barrier, int bytes) {
  asm volatile(
      "{\n"
      ".reg .pred leads;\n"
      "elect.sync _|leads, 0xFFFFFFFF;\n"
      "@leads mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n"
      "}\n" ::"r"(barrier),
      "r"(bytes)
      : "memory");
}

// Copies the map's box of four dimensions that begins at (x, y, z, w), which is read once.
__device__ __forceinline__ void copy_box_once_in_one_lane(uint32_t target, const CUtensorMap& map,
                                                          int x, int y, int z, int w,
                                                          uint32_t barrier) {
  asm volatile(
      "{\n"
      ".reg .pred leads;\n"
      "elect.sync _|leads, 0xFFFFFFFF;\n"
      "@leads cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes"
      ".L2::cache_hint [%0], [%1, {%2, %3, %4, %5}], [%6], %7;\n"
      "}\n" ::"r"(target),
      "l"(reinterpret_cast<uint64_t>(&map)), "r"(x), "r"(y), "r"(z), "r"(w), "r"(barrier),
      "l"(read_once_policy())
      : "memory");
}

// ---- clusters of two blocks

// All threads of the cluster's blocks. What they wrote to memory before is not made visible.
__device__ __forceinline__ void sync_cluster() {
  asm volatile(
      "barrier.cluster.arrive.relaxed.aligned;\n"
      "barrier.cluster.wait.acquire.aligned;\n" ::
          : "memory");
}

// Arrives at that barrier of a block of the cluster.
__device__ __forceinline__ void arrive_at(uint64_t* barrier, uint32_t block) {
  asm volatile(
      "{\n"
      ".reg .b32 there;\n"
      "mapa.shared::cluster.u32 there, %0, %1;\n"
      "mbarrier.arrive.shared::cluster.b64 _, [there];\n"
      "}\n" ::"r"(shared_address(barrier)),
      "r"(block)
      : "memory");
}

// copy_box_once() to the same place in both blocks, whose barriers count what comes to theirs.
__device__ __forceinline__ void copy_box_once_to_both(uint32_t target, const CUtensorMap& map,
                                                      int feature, int row, uint64_t* barrier) {
  constexpr uint16_t kBoth = 0b11;
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
      ".multicast::cluster.L2::cache_hint [%0], [%1, {%2, %3}], [%4], %5, %6;\n" ::"r"(target),
      "l"(reinterpret_cast<uint64_t>(&map)), "r"(feature), "r"(row), "r"(shared_address(barrier)),
      "h"(kBoth), "l"(read_once_policy())
      : "memory");
}

// ---- products of a warpgroup

// Describes, for wgmma, a tile in shared memory whose rows have 128 swizzled bytes each, by its
// address / 16. `leading_bytes`: between chunks of 64 rows of a tile that is read transposed.
__device__ __forceinline__ uint64_t swizzled_descriptor(uint32_t address_16, int leading_bytes) {
  constexpr uint64_t kSwizzle128 = uint64_t{1} << 62;
  constexpr uint64_t kStride = uint64_t{1024 >> 4} << 32;  // bytes between groups of eight rows
  return kSwizzle128 | kStride | static_cast<uint64_t>(leading_bytes >> 4) << 16 | address_16;
}

// Of a tile whose rows are the operand's rows.
__device__ __forceinline__ uint64_t tile_descriptor(uint32_t address_16) {
  return swizzled_descriptor(address_16, /*leading_bytes=*/16);  // unused
}

// Of a tile whose rows are the operand's columns, in chunks of 64 `chunk_bytes` apart.
__device__ __forceinline__ uint64_t transposed_descriptor(uint32_t address_16, int chunk_bytes) {
  return swizzled_descriptor(address_16, chunk_bytes);
}

// Makes what this thread wrote to shared memory, by stores or by cp.async that it waited for, known
// to the products that any thread issues after a barrier.
__device__ __forceinline__ void publish_to_products() {
  asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
}

__device__ __forceinline__ void begin_products() {
  asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
}
__device__ __forceinline__ void commit_products() {
  asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
}
template <int kPending>
__device__ __forceinline__ void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(kPending) : "memory");
}

// sums (64 x kColumns) += a (64 x 16) · bᵀ (16 x kColumns), of tiles in shared memory. In lane 4g +
// t of warp w of the warpgroup, sums[j][2h + i] is row 16w + 8h + g, column 8j + 2t + i.
template <typename T, int kColumns>
__device__ __forceinline__ void multiply(float (&sums)[kColumns / 8][4], uint64_t a, uint64_t b);

// The same where lanes have `a` as mma_16x8x16() wants it, of rows 16w to 16w + 15, and do not
// change it before the products are done. kTransposed: b has transposed_descriptor().
template <typename T, int kColumns, bool kTransposed>
__device__ __forceinline__ void multiply(float (&sums)[kColumns / 8][4], const uint32_t (&a)[4],
                                         uint64_t b);

#define EET_F4(d, j) "+f"(d[j][0]), "+f"(d[j][1]), "+f"(d[j][2]), "+f"(d[j][3])
#define EET_F8(d, j) EET_F4(d, j), EET_F4(d, j + 1)
#define EET_F16(d, j) EET_F8(d, j), EET_F8(d, j + 2)
#define EET_F32(d, j) EET_F16(d, j), EET_F16(d, j + 4)
#define EET_F64(d, j) EET_F32(d, j), EET_F32(d, j + 8)
#define EET_P4(a, b, c, d) "%" #a ",%" #b ",%" #c ",%" #d
#define EET_FIRST8 EET_P4(0, 1, 2, 3) "," EET_P4(4, 5, 6, 7)
#define EET_FIRST16 EET_FIRST8 "," EET_P4(8, 9, 10, 11) "," EET_P4(12, 13, 14, 15)
#define EET_FIRST24 EET_FIRST16 "," EET_P4(16, 17, 18, 19) "," EET_P4(20, 21, 22, 23)
#define EET_FIRST32 EET_FIRST24 "," EET_P4(24, 25, 26, 27) "," EET_P4(28, 29, 30, 31)
#define EET_FIRST40 EET_FIRST32 "," EET_P4(32, 33, 34, 35) "," EET_P4(36, 37, 38, 39)
#define EET_FIRST48 EET_FIRST40 "," EET_P4(40, 41, 42, 43) "," EET_P4(44, 45, 46, 47)
#define EET_FIRST56 EET_FIRST48 "," EET_P4(48, 49, 50, 51) "," EET_P4(52, 53, 54, 55)
#define EET_FIRST64 EET_FIRST56 "," EET_P4(56, 57, 58, 59) "," EET_P4(60, 61, 62, 63)
#define EET_FIRST72 EET_FIRST64 "," EET_P4(64, 65, 66, 67) "," EET_P4(68, 69, 70, 71)
#define EET_FIRST96                                                                            \
  EET_FIRST72                                                                                  \
  "," EET_P4(72, 73, 74, 75) "," EET_P4(76, 77, 78, 79) "," EET_P4(80, 81, 82, 83) "," EET_P4( \
      84, 85, 86, 87) "," EET_P4(88, 89, 90, 91) "," EET_P4(92, 93, 94, 95)
#define EET_FIRST112                                                                \
  EET_FIRST96 "," EET_P4(96, 97, 98, 99) "," EET_P4(100, 101, 102, 103) "," EET_P4( \
      104, 105, 106, 107) "," EET_P4(108, 109, 110, 111)
#define EET_FIRST128                                                        \
  EET_FIRST112                                                              \
  "," EET_P4(112, 113, 114, 115) "," EET_P4(116, 117, 118, 119) "," EET_P4( \
      120, 121, 122, 123) "," EET_P4(124, 125, 126, 127)

#define EET_WGMMA(T, NAME, COLUMNS, PLACES, A, B, ...)                                             \
  template <>                                                                                      \
  __device__ __forceinline__ void multiply<T, COLUMNS>(float(&d)[COLUMNS / 8][4], uint64_t a,      \
                                                       uint64_t b) {                               \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" #COLUMNS "k16.f32." NAME "." NAME " {" PLACES \
                 "}, %" #A ", %" #B ", 1, 1, 1, 0, 0;\n"                                           \
                 : __VA_ARGS__                                                                     \
                 : "l"(a), "l"(b));                                                                \
  }
#define EET_WGMMAS(T, NAME)                                                                       \
  EET_WGMMA(T, NAME, 8, EET_P4(0, 1, 2, 3), 4, 5, EET_F4(d, 0))                                   \
  EET_WGMMA(T, NAME, 16, EET_FIRST8, 8, 9, EET_F8(d, 0))                                          \
  EET_WGMMA(T, NAME, 24, EET_FIRST8 "," EET_P4(8, 9, 10, 11), 12, 13, EET_F8(d, 0), EET_F4(d, 2)) \
  EET_WGMMA(T, NAME, 32, EET_FIRST16, 16, 17, EET_F16(d, 0))                                      \
  EET_WGMMA(T, NAME, 48, EET_FIRST24, 24, 25, EET_F16(d, 0), EET_F8(d, 4))                        \
  EET_WGMMA(T, NAME, 64, EET_FIRST32, 32, 33, EET_F32(d, 0))                                      \
  EET_WGMMA(T, NAME, 80, EET_FIRST40, 40, 41, EET_F32(d, 0), EET_F8(d, 8))                        \
  EET_WGMMA(T, NAME, 96, EET_FIRST48, 48, 49, EET_F32(d, 0), EET_F16(d, 8))                       \
  EET_WGMMA(T, NAME, 112, EET_FIRST56, 56, 57, EET_F32(d, 0), EET_F16(d, 8), EET_F8(d, 12))       \
  EET_WGMMA(T, NAME, 128, EET_FIRST64, 64, 65, EET_F64(d, 0))                                     \
  EET_WGMMA(T, NAME, 144, EET_FIRST72, 72, 73, EET_F64(d, 0), EET_F8(d, 16))                      \
  EET_WGMMA(T, NAME, 192, EET_FIRST96, 96, 97, EET_F64(d, 0), EET_F32(d, 16))                     \
  EET_WGMMA(T, NAME, 224, EET_FIRST112, 112, 113, EET_F64(d, 0), EET_F32(d, 16), EET_F16(d, 24))  \
  EET_WGMMA(T, NAME, 256, EET_FIRST128, 128, 129, EET_F64(d, 0), EET_F64(d, 16))
EET_WGMMAS(__half, "f16")
EET_WGMMAS(__nv_bfloat16, "bf16")

// TRANSPOSED: 0 or 1. A, B: where they stand among the operands.
#define EET_WGMMA_LANES(T, NAME, COLUMNS, TRANSPOSED, PLACES, A, B, ...)                           \
  template <>                                                                                      \
  __device__ __forceinline__ void multiply<T, COLUMNS, TRANSPOSED>(                                \
      float(&d)[COLUMNS / 8][4], const uint32_t(&a)[4], uint64_t b) {                              \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" #COLUMNS "k16.f32." NAME "." NAME " {" PLACES \
                 "}, {" A "}, %" #B ", 1, 1, 1, " #TRANSPOSED ";\n"                                \
                 : __VA_ARGS__                                                                     \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                            \
  }
#define EET_WGMMAS_LANES(T, NAME)                                                         \
  EET_WGMMA_LANES(T, NAME, 32, 0, EET_FIRST16, EET_P4(16, 17, 18, 19), 20, EET_F16(d, 0)) \
  EET_WGMMA_LANES(T, NAME, 64, 1, EET_FIRST32, EET_P4(32, 33, 34, 35), 36, EET_F32(d, 0)) \
  EET_WGMMA_LANES(T, NAME, 128, 1, EET_FIRST64, EET_P4(64, 65, 66, 67), 68, EET_F64(d, 0))
EET_WGMMAS_LANES(__half, "f16")
EET_WGMMAS_LANES(__nv_bfloat16, "bf16")
#undef EET_WGMMAS_LANES
#undef EET_WGMMA_LANES
#undef EET_FIRST128
#undef EET_FIRST112
#undef EET_FIRST96
#undef EET_FIRST72
#undef EET_FIRST64
#undef EET_FIRST56
#undef EET_FIRST48
#undef EET_FIRST40
#undef EET_FIRST32
#undef EET_FIRST24
#undef EET_FIRST16
#undef EET_FIRST8
#undef EET_P4
#undef EET_F64
#undef EET_F32
#undef EET_F16
#undef EET_F8
#undef EET_F4

}  // namespace eet::kernels
