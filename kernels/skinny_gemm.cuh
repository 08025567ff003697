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

// A thread's part of a product with kTokenTiles times 8 tokens, as tensor cores lay it out:
// [part][tile][2h + i] is row rows[h] of the part with token 8 * tile + 2 * (lane % 4) + i.
template <typename Shape>
using Sums = float[Shape::kParts][Shape::kTokenTiles][4];

// Rounds the sums to T and applies the activation to those of the first part.
template <ActivationFunction kFunction, typename T, typename Shape>
__device__ __forceinline__ void activate_sums(Sums<Shape>& sums) {
#pragma unroll
  for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float& y = sums[0][tile][i];
      y = activate<kFunction>(to_float(from_float<T>(y)));
      if constexpr (Shape::kParts == 2) y *= to_float(from_float<T>(sums[1][tile][i]));
    }
  }
}

template <typename T, typename Shape>
__device__ __forceinline__ void finish_sums(Sums<Shape>& sums, const SkinnyArgs<T>& args) {
  switch (args.epilogue) {
    case Epilogue::kSilu:
      return activate_sums<ActivationFunction::kSilu, T, Shape>(sums);
    case Epilogue::kGeluTanh:
      return activate_sums<ActivationFunction::kGeluTanh, T, Shape>(sums);
    case Epilogue::kGeluErf:
      return activate_sums<ActivationFunction::kGeluErf, T, Shape>(sums);
    case Epilogue::kStore:
      return;
  }
}

template <typename Out, typename Shape, typename T>
__device__ __forceinline__ void store_sums(const SkinnyArgs<T>& args, const Sums<Shape>& sums,
                                           const int (&rows)[2], int first_token, int lane) {
  Out* out = static_cast<Out*>(args.out);
#pragma unroll
  for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int token = first_token + 8 * tile + lane % 4 * 2 + i % 2;
      const int row = rows[i / 2];
      if (token < args.product.num_rows && row < args.width) {
        out[static_cast<int64_t>(token) * args.width + row] = from_float<Out>(sums[0][tile][i]);
      }
    }
  }
}

// What is left once the sums have their bias. rows: of the weight's first part, which this thread
// has; first_token: of the product's tokens.
template <typename T, typename Shape>
__device__ __forceinline__ void finish_and_store(const SkinnyArgs<T>& args, Sums<Shape>& sums,
                                                 const int (&rows)[2], int first_token, int lane) {
  finish_sums<T, Shape>(sums, args);
  if (args.stores_fp32) {
    store_sums<float, Shape>(args, sums, rows, first_token, lane);
  } else {
    store_sums<T, Shape>(args, sums, rows, first_token, lane);
  }
}

// skinny_gemm_wgmma.cu, where is_hopper(): up to kMaxWgmmaRows rows, or kMaxWgmmaGatedRows where
// kParts is 2, for gated activations.
inline constexpr int kMaxWgmmaRows = 64;
inline constexpr int kMaxWgmmaGatedRows = 128;
template <typename T, int kParts>
void launch_wgmma(const SkinnyArgs<T>& args, cudaStream_t stream);

// Whether the code for this device has Hopper's own instructions.
bool is_hopper();

}  // namespace eet::kernels
