// What matrix products on Hopper's warpgroup tensor cores share: a ring of stages in shared memory
// that the bulk tensor copy engine fills, and the maps of the matrices it reads.
#pragma once

#include <cuda.h>

#include <type_traits>

#include "kernels/cuda_check.h"
#include "kernels/hopper.cuh"
#include "kernels/launch.cuh"
#include "lib/core/error.h"

namespace eet::kernels {

inline constexpr int kLineFeatures = 64;  // in_features in a line of shared memory, by the swizzle
inline constexpr int kLineBytes = 128;
inline constexpr int kStepFeatures = 16;  // in_features in a product
inline constexpr int kMaxStages = 16;

struct Barriers {
  uint64_t full[kMaxStages];   // a stage's bytes have arrived
  uint64_t empty[kMaxStages];  // all that read a stage are done
};

// A place in the ring, and how often it came by.
struct RingPlace {
  int stage = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void advance(int num_stages) {
    if (++stage == num_stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

// Fills a ring, one thread's work. Feeder has barriers(), num_stages(), copy_weights(chunk, stage),
// which also announces all of the chunk's bytes, and copy_tokens(chunk, stage). The ring's weights
// are asked for before the previous kernel has ended.
template <typename Feeder>
__device__ __forceinline__ void feed_ring(const Feeder& feeder, int num_chunks) {
  const int num_early = min(num_chunks, feeder.num_stages());
  for (int chunk = 0; chunk < num_early; ++chunk) feeder.copy_weights(chunk, chunk);
  wait_for_previous_kernel();
  for (int chunk = 0; chunk < num_early; ++chunk) feeder.copy_tokens(chunk, chunk);
  RingPlace place;
  for (int chunk = num_early; chunk < num_chunks; ++chunk, place.advance(feeder.num_stages())) {
    wait_for(&feeder.barriers().empty[place.stage], place.parity);
    feeder.copy_weights(chunk, place.stage);
    feeder.copy_tokens(chunk, place.stage);
  }
}

// ---- the host's part

using EncodeTiled = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*,
                                 const cuuint64_t*, const cuuint64_t*, const cuuint32_t*,
                                 const cuuint32_t*, CUtensorMapInterleave, CUtensorMapSwizzle,
                                 CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

// The driver's function, found at run time: the program starts without a driver.
inline EncodeTiled encode_tiled() {
  static const EncodeTiled function = [] {
    void* symbol = nullptr;
    cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050
    CUDA_CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &symbol, 12000,
                                                cudaEnableDefault, &found));
#else
    CUDA_CHECK(
        cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &symbol, cudaEnableDefault, &found));
#endif
    require(found == cudaDriverEntryPointSuccess && symbol != nullptr,
            "the NVIDIA driver has no cuTensorMapEncodeTiled: expected one for CUDA 12 or later");
    return reinterpret_cast<EncodeTiled>(symbol);
  }();
  return function;
}

// A row-major matrix of 16-bit elements, read in swizzled boxes of `box_rows` x kLineFeatures.
template <typename T>
CUtensorMap tensor_map(const T* matrix, int64_t rows, int64_t features, int box_rows) {
  CUtensorMap map{};
  const cuuint64_t sizes[2] = {static_cast<cuuint64_t>(features), static_cast<cuuint64_t>(rows)};
  const cuuint64_t row_bytes[1] = {static_cast<cuuint64_t>(features) * sizeof(T)};
  const cuuint32_t box[2] = {kLineFeatures, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[2] = {1, 1};
  constexpr auto kType = std::is_same_v<T, __half> ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                                   : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  const CUresult result =
      encode_tiled()(&map, kType, 2, const_cast<T*>(matrix), sizes, row_bytes, box, steps,
                     CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                     CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  require(result == CUDA_SUCCESS, "cuTensorMapEncodeTiled: error ", static_cast<int>(result),
          " for a matrix of ", rows, " x ", features);
  return map;
}

}  // namespace eet::kernels
