// What the kernels of skinny_gemm.h share.
#pragma once

#include "kernels/activation.cuh"
#include "kernels/async_copy.cuh"
#include "kernels/launch.cuh"
#include "kernels/skinny_gemm.h"
#include "kernels/vector.cuh"

namespace eet::kernels {

// What becomes of a sum.
enum class Epilogue { kStore, kSilu, kGeluTanh, kGeluErf, kRelu, kReluSquared };

template <typename T>
struct SkinnyArgs {
  void* out;  // float where stores_fp32, else T; [num_rows, width]
  SkinnyProduct<T> product;
  int width;  // columns of out
  bool stores_fp32;
  Epilogue epilogue;
};

// A thread's part of a product, as tensor cores lay it out: [part][tile][2h + i], see SumPlaces.
template <typename Shape>
using Sums = float[Shape::kParts][Shape::kColumnTiles][4];

// What a thread's sums are of. The product's first operand has 16 lines a warp, its second 8 a
// tile; one of them are rows of the weight (of each part) and the other tokens.
template <typename Shape>
class SumPlaces {
 public:
  // first_row: of the block.
  __device__ __forceinline__ SumPlaces(int first_row, int warp, int lane)
      : line_(16 * warp + lane / 4), column_(lane % 4 * 2) {
    (Shape::kTokensFirst ? column_ : line_) += first_row;
  }
  __device__ __forceinline__ int row(int tile, int i) const {
    return Shape::kTokensFirst ? column(tile, i) : line(i);
  }
  __device__ __forceinline__ int token(int tile, int i) const {
    return Shape::kTokensFirst ? line(i) : column(tile, i);
  }

 private:
  __device__ __forceinline__ int line(int i) const { return line_ + i / 2 * 8; }
  __device__ __forceinline__ int column(int tile, int i) const {
    return column_ + 8 * tile + i % 2;
  }

  int line_;
  int column_;
};

// The bias of a thread's sums, where the product has one. It is loaded before the sums are made,
// and before the previous kernel has ended: a load between the last product and the store would be
// waited for.
template <typename T, typename Shape>
class Bias {
 public:
  __device__ __forceinline__ void load(const SkinnyArgs<T>& args, const SumPlaces<Shape>& places) {
    if (args.product.bias == nullptr) return;
#pragma unroll
    for (int part = 0; part < Shape::kParts; ++part) {
#pragma unroll
      for (int k = 0; k < kRows; ++k) {
        const int row = Shape::kTokensFirst ? places.row(k / 2, k % 2) : places.row(0, 2 * k);
        if (row < args.width) values_[part][k] = args.product.bias[part * args.width + row];
      }
    }
  }

  __device__ __forceinline__ void add(Sums<Shape>& sums, const SkinnyArgs<T>& args) const {
    if (args.product.bias == nullptr) return;
#pragma unroll
    for (int part = 0; part < Shape::kParts; ++part) {
#pragma unroll
      for (int tile = 0; tile < Shape::kColumnTiles; ++tile) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int k = Shape::kTokensFirst ? 2 * tile + i % 2 : i / 2;
          sums[part][tile][i] += to_float(values_[part][k]);
        }
      }
    }
  }

 private:
  static constexpr int kRows = Shape::kTokensFirst ? 2 * Shape::kColumnTiles : 2;
  T values_[Shape::kParts][kRows] = {};
};

// Rounds the sums to T and applies the activation to those of the first part.
template <ActivationFunction kFunction, typename T, typename Shape>
__device__ __forceinline__ void activate_sums(Sums<Shape>& sums) {
#pragma unroll
  for (int tile = 0; tile < Shape::kColumnTiles; ++tile) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float& y = sums[0][tile][i];
      y = activate<kFunction, T>(to_float(from_float<T>(y)));
      if constexpr (Shape::kParts == 2) y *= to_float(from_float<T>(sums[1][tile][i]));
    }
  }
}

// Calls body.operator()<kFunction>() with the epilogue's function, where it has one.
template <typename Body>
__device__ __forceinline__ void with_function(Epilogue epilogue, const Body& body) {
  switch (epilogue) {
    case Epilogue::kSilu:
      return body.template operator()<ActivationFunction::kSilu>();
    case Epilogue::kGeluTanh:
      return body.template operator()<ActivationFunction::kGeluTanh>();
    case Epilogue::kGeluErf:
      return body.template operator()<ActivationFunction::kGeluErf>();
    case Epilogue::kRelu:
      return body.template operator()<ActivationFunction::kRelu>();
    case Epilogue::kReluSquared:
      return body.template operator()<ActivationFunction::kReluSquared>();
    case Epilogue::kStore:
      return;
  }
}

template <typename Out, typename Shape, typename T>
__device__ __forceinline__ void store_sums(const SkinnyArgs<T>& args, const Sums<Shape>& sums,
                                           const SumPlaces<Shape>& places) {
  Out* out = static_cast<Out*>(args.out);
#pragma unroll
  for (int tile = 0; tile < Shape::kColumnTiles; ++tile) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int token = places.token(tile, i);
      const int row = places.row(tile, i);
      if (token < args.product.num_rows && row < args.width) {
        out[static_cast<int64_t>(token) * args.width + row] = from_float<Out>(sums[0][tile][i]);
      }
    }
  }
}

// What is left once the sums have their bias.
template <typename T, typename Shape>
__device__ __forceinline__ void finish_and_store(const SkinnyArgs<T>& args, Sums<Shape>& sums,
                                                 const SumPlaces<Shape>& places) {
  with_function(args.epilogue,
                [&]<ActivationFunction kFunction>() { activate_sums<kFunction, T, Shape>(sums); });
  if (args.stores_fp32) {
    store_sums<float, Shape>(args, sums, places);
  } else {
    store_sums<T, Shape>(args, sums, places);
  }
}

// skinny_gemm_wgmma.cu, where is_hopper(): up to kMaxWgmmaRows rows.
inline constexpr int kMaxWgmmaRows = 64;
template <typename T, int kParts>
void launch_wgmma(const SkinnyArgs<T>& args, cudaStream_t stream);

// skinny_gemm_pairs.cu, where is_hopper(): up to max_pair_rows(), 0 where cuBLASLt is faster.
int max_pair_rows(int64_t width, int parts);
template <typename T, int kParts>
void launch_pairs(const SkinnyArgs<T>& args, cudaStream_t stream);

}  // namespace eet::kernels
