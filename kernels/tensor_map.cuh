// Maps of tensors for the bulk copy engine (compute capability 9.0), made on the host.
#pragma once

#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <array>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/cuda_check.h"

namespace eet::kernels {

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
    if (found != cudaDriverEntryPointSuccess || symbol == nullptr) {
      throw std::runtime_error(
          "the NVIDIA driver has no cuTensorMapEncodeTiled: expected one for CUDA 12 or later");
    }
    return reinterpret_cast<EncodeTiled>(symbol);
  }();
  return function;
}

// A tensor of 16-bit elements, the innermost dimension first, read in boxes whose lines of 128
// bytes are swizzled and in which zeros stand for what lies outside of the tensor. strides: bytes
// from an index of a dimension to the next, from the second dimension on; multiples of 16, as is
// the tensor's address.
template <typename T, size_t kRank>
CUtensorMap swizzled_map(const T* tensor, const std::array<cuuint64_t, kRank>& sizes,
                         const std::array<cuuint64_t, kRank - 1>& strides,
                         const std::array<cuuint32_t, kRank>& box) {
  std::array<cuuint32_t, kRank> steps{};
  steps.fill(1);
  constexpr auto kType = std::is_same_v<T, __half> ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                                   : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  CUtensorMap map{};
  const CUresult result = encode_tiled()(
      &map, kType, kRank, const_cast<T*>(tensor), sizes.data(), strides.data(), box.data(),
      steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    throw std::runtime_error("cuTensorMapEncodeTiled: error " + std::to_string(result) +
                             " for a tensor of " + std::to_string(sizes[1]) + " x " +
                             std::to_string(sizes[0]) + " innermost, in boxes of " +
                             std::to_string(box[1]) + " x " + std::to_string(box[0]));
  }
  return map;
}

}  // namespace eet::kernels
