// What becomes of the sums of expert_gemm.h's products on tensor cores.
//
// Shape: kParts, 2 where gated; kLineTiles of 16 lines for each part, kLineTileStride lines apart;
// kPairTiles of 8 pairs.
#pragma once

#include "kernels/expert_gemm.cuh"
#include "kernels/mma.cuh"

namespace eet::kernels {

// A thread's part of a tile, as mma and wgmma lay it out. Of lane 4g + t: [2h + i] is line 8h + g
// of the line tile and pair 2t + i of the pair tile.
template <typename Shape>
using TileSums = float[Shape::kParts][Shape::kLineTiles][Shape::kPairTiles][4];

template <typename T, typename Shape>
__device__ __forceinline__ void add_bias(TileSums<Shape>& sums, const ExpertArgs<T>& args,
                                         const FlatTile& tile, int first_row) {
  if (args.product.bias == nullptr) return;
  const T* bias =
      args.product.bias + static_cast<int64_t>(tile.pairs.expert) * args.product.out_features;
#pragma unroll
  for (int part = 0; part < Shape::kParts; ++part) {
#pragma unroll
    for (int line_tile = 0; line_tile < Shape::kLineTiles; ++line_tile) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = first_row + Shape::kLineTileStride * line_tile + 8 * half;
        const float addend = row < args.width ? to_float(bias[part * args.width + row]) : 0.0F;
#pragma unroll
        for (int pair_tile = 0; pair_tile < Shape::kPairTiles; ++pair_tile) {
          sums[part][line_tile][pair_tile][2 * half] += addend;
          sums[part][line_tile][pair_tile][2 * half + 1] += addend;
        }
      }
    }
  }
}

template <typename T, typename Shape>
__device__ __forceinline__ void apply_gates(TileSums<Shape>& sums, const ExpertGate& gate) {
  with_gate(gate, [&]<GateFunction kFunction>() {
#pragma unroll
    for (int line_tile = 0; line_tile < Shape::kLineTiles; ++line_tile) {
#pragma unroll
      for (int pair_tile = 0; pair_tile < Shape::kPairTiles; ++pair_tile) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float& y = sums[0][line_tile][pair_tile][i];
          const float up = sums[Shape::kParts - 1][line_tile][pair_tile][i];
          y = apply_gate<kFunction, T>(to_float(from_float<T>(y)), to_float(from_float<T>(up)),
                                       gate.swiglu_limit);
        }
      }
    }
  });
}

// Of 8 lines by 8 pairs each lane has two pairs of a line and stores two lines of a pair.
template <typename T, typename Shape>
__device__ __forceinline__ void store_tile(const TileSums<Shape>& sums, const ExpertArgs<T>& args,
                                           const FlatTile& tile, int first_row, int first_pair,
                                           int lane) {
#pragma unroll
  for (int pair_tile = 0; pair_tile < Shape::kPairTiles; ++pair_tile) {
    const int pair = first_pair + 8 * pair_tile + lane / 4;
    const bool valid = pair < tile.pairs.count;
    const int64_t target = valid ? args.target_row(tile.pairs.begin + pair) : 0;
    T* out = args.out + target * args.width + first_row + lane % 4 * 2;
#pragma unroll
    for (int line_tile = 0; line_tile < Shape::kLineTiles; ++line_tile) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float* sum = sums[0][line_tile][pair_tile] + 2 * half;
        const uint32_t two = transpose_tile(pack<T>(sum[0], sum[1]));
        const int row = Shape::kLineTileStride * line_tile + 8 * half;
        if (valid && first_row + row < args.width) *reinterpret_cast<uint32_t*>(out + row) = two;
      }
    }
  }
}

// What is left once the sums are made: bias, gate, and the store. first_row, first_pair: of the
// warp's first tiles.
template <typename T, typename Shape>
__device__ __forceinline__ void finish_tile(TileSums<Shape>& sums, const ExpertArgs<T>& args,
                                            const FlatTile& tile, int first_row, int first_pair,
                                            int lane) {
  add_bias<T, Shape>(sums, args, tile, first_row + lane / 4);
  if constexpr (Shape::kParts == 2) apply_gates<T, Shape>(sums, args.gate);
  store_tile<T, Shape>(sums, args, tile, first_row, first_pair, lane);
}

}  // namespace eet::kernels
