// What the kernels of skinny_gemm.h share.
#pragma once

#include "kernels/activation.cuh"
#include "kernels/async_copy.cuh"
#include "kernels/launch.cuh"
#include "kernels/skinny_gemm.h"
#include "kernels/vector.cuh"

namespace eet::kernels {

// What becomes of a sum.
enum class Epilogue { kStore, kSilu, kGeluTanh, kGeluErf };

template <typename T>
struct SkinnyArgs {
  void* out;  // float where stores_fp32, else T; [num_rows, width]
  SkinnyProduct<T> product;
  int width;  // columns of out
  bool stores_fp32;
  Epilogue epilogue;
};

// skinny_gemm_wgmma.cu, where is_hopper(): up to kMaxWgmmaRows rows, or kMaxWgmmaGatedRows where
// kParts is 2, for gated activations.
inline constexpr int kMaxWgmmaRows = 64;
inline constexpr int kMaxWgmmaGatedRows = 128;
template <typename T, int kParts>
void launch_wgmma(const SkinnyArgs<T>& args, cudaStream_t stream);

// Whether the code for this device has Hopper's own instructions.
bool is_hopper();

}  // namespace eet::kernels
