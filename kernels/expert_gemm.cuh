// What the kernels of expert_gemm.h share: which tiles a block works on, how their operands come to
// shared memory, and what becomes of the sums.
//
// A block works on every gridDim.x-th tile of `num_tiles * out_tiles`: an ExpertTile of pairs by a
// tile of out_features. It copies chunks of in_features into a ring of stages without a pause
// between tiles. In a stage each line has one chunk of a row: first the lines of the weight, then
// those of the pairs.
#pragma once

#include "kernels/activation.cuh"
#include "kernels/async_copy.cuh"
#include "kernels/expert_gemm.h"
#include "kernels/launch.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {

inline constexpr int kChunkFeatures = 64;
inline constexpr int kLineBytes = 2 * kChunkFeatures;
inline constexpr int kLinePieces = kLineBytes / 16;

template <typename T>
struct ExpertArgs {
  T* out;
  ExpertProduct<T> product;
  ExpertGroups groups;
  ExpertGate gate;
  int width;     // of out
  bool gathers;  // reads row pairs[i] / top_k and writes row i; else reads i and writes pairs[i]

  __device__ __forceinline__ int source_row(int i) const {
    return gathers ? groups.pairs[i] / groups.top_k : i;
  }
  __device__ __forceinline__ int target_row(int i) const { return gathers ? i : groups.pairs[i]; }
};

// A tile of the product; `flat` counts them, the tiles of out_features innermost.
struct FlatTile {
  ExpertTile pairs;
  int first_row;  // of the tile in a part of out_features

  template <typename T>
  __device__ __forceinline__ FlatTile(const ExpertArgs<T>& args, int flat, int out_tiles,
                                      int tile_width)
      : pairs(args.groups.tiles[flat / out_tiles]), first_row(flat % out_tiles * tile_width) {}
};

// The byte of a stage at which a line's piece of 16 bytes begins. The pieces of eight lines trade
// places, so that one piece of each meets in no bank: the layout of wgmma's 128-byte swizzle.
__device__ __forceinline__ uint32_t place(int line, int piece) {
  return static_cast<uint32_t>(line * kLineBytes + (piece ^ (line % 8)) * 16);
}

// Copies a block's tiles to shared memory, chunk after chunk. Each thread copies one piece of every
// kLinesAtOnce-th line.
// Shape: kThreads; kWeightLines and kTileRows, the lines of weights and of pairs; kParts, 2 where
// gated; kPartLines, how many lines of one part follow each other before those of the next part;
// kStages.
template <typename T, typename Shape>
class TileCopier {
 public:
  __device__ __forceinline__ TileCopier(const ExpertArgs<T>& args, int out_tiles, int num_flat)
      : args_(args),
        out_tiles_(out_tiles),
        num_flat_(num_flat),
        flat_(static_cast<int>(blockIdx.x)) {
    if (flat_ < num_flat_) begin_tile();
  }

  // Starts copying the next chunk to shared memory at `stage`; nothing where none is left.
  __device__ __forceinline__ void copy_next(uint32_t stage) {
    if (flat_ >= num_flat_) return;
    const int64_t in_features = args_.product.in_features;
    const bool valid = feature_ < in_features;
#pragma unroll
    for (int copy = 0; copy < kWeightCopies; ++copy) {
      const int line = copy * kLinesAtOnce;
      const int row = row_of(line);
      const int part = line / Shape::kPartLines % Shape::kParts;
      // Experts of several tiles read their weights again soon.
      constexpr auto copy_async = Shape::kTileRows < 128 ? copy_async_16_once : copy_async_16;
      copy_async(stage + place(line + line_, piece_),
                 weight_ + (part * args_.width + row) * in_features + feature_,
                 valid && row < rows_left_);
    }
    const uint32_t pairs = stage + Shape::kWeightLines * kLineBytes;
#pragma unroll
    for (int copy = 0; copy < kPairCopies; ++copy) {
      const int line = copy * kLinesAtOnce;
      copy_async_16(pairs + place(line + line_, piece_), rows_[copy] + feature_,
                    valid && line + line_ < pairs_left_);
    }
    feature_ += kChunkFeatures;
    if (feature_ < in_features + 8 * piece_) return;
    flat_ += static_cast<int>(gridDim.x);
    if (flat_ < num_flat_) begin_tile();
  }

 private:
  static constexpr int kLinesAtOnce = Shape::kThreads / kLinePieces;
  static constexpr int kWeightCopies = Shape::kWeightLines / kLinesAtOnce;
  static constexpr int kPairCopies = Shape::kTileRows / kLinesAtOnce;
  static_assert(Shape::kWeightLines % kLinesAtOnce == 0 && Shape::kTileRows % kLinesAtOnce == 0);
  static_assert(kLinesAtOnce % 8 == 0 && Shape::kPartLines % kLinesAtOnce == 0);

  // The row of the weight, within the tile and part, that a line of the stage has, less that of
  // this thread's first line.
  static __device__ __forceinline__ constexpr int row_of(int line) {
    return line / (Shape::kPartLines * Shape::kParts) * Shape::kPartLines +
           line % Shape::kPartLines;
  }

  __device__ __forceinline__ void begin_tile() {
    const FlatTile tile(args_, flat_, out_tiles_, Shape::kTileWidth);
    const int64_t in_features = args_.product.in_features;
    const int row = tile.first_row + line_;
    feature_ = 8 * piece_;
    rows_left_ = args_.width - row;
    pairs_left_ = tile.pairs.count;
    weight_ =
        args_.product.weight +
        (static_cast<int64_t>(tile.pairs.expert) * args_.product.out_features + row) * in_features;
#pragma unroll
    for (int copy = 0; copy < kPairCopies; ++copy) {
      const int line = copy * kLinesAtOnce + line_;
      const int64_t source = line < pairs_left_ ? args_.source_row(tile.pairs.begin + line) : 0;
      rows_[copy] = args_.product.x + source * in_features;
    }
  }

  const ExpertArgs<T>& args_;
  int out_tiles_;
  int num_flat_;
  int flat_;
  int piece_ = static_cast<int>(threadIdx.x) % kLinePieces;
  int line_ = static_cast<int>(threadIdx.x) / kLinePieces;
  int feature_ = 0;     // the next chunk's, of this thread's piece
  int rows_left_ = 0;   // of the part of the weight, from this thread's first line on
  int pairs_left_ = 0;  // of the tile
  const T* weight_ = nullptr;
  const T* rows_[kPairCopies] = {};
};

// What is applied to gates: those of ActivationFunction, in its order, and that of swiglu_limit.
enum class GateFunction { kSilu, kGeluTanh, kGeluErf, kRelu, kReluSquared, kClampedSwiglu };

// Calls body.operator()<function>() with that of `gate`.
template <typename Body>
__device__ __forceinline__ void with_gate(const ExpertGate& gate, const Body& body) {
  if (gate.swiglu_limit > 0) return body.template operator()<GateFunction::kClampedSwiglu>();
  switch (gate.function) {
    case ActivationFunction::kSilu:
      return body.template operator()<GateFunction::kSilu>();
    case ActivationFunction::kGeluTanh:
      return body.template operator()<GateFunction::kGeluTanh>();
    case ActivationFunction::kGeluErf:
      return body.template operator()<GateFunction::kGeluErf>();
    case ActivationFunction::kRelu:
      return body.template operator()<GateFunction::kRelu>();
    case ActivationFunction::kReluSquared:
      return body.template operator()<GateFunction::kReluSquared>();
  }
}

// Of a gate and its partner that were rounded to T. NaN stays.
template <GateFunction kFunction, typename T>
__device__ __forceinline__ float apply_gate(float gate, float up, float limit) {
  if constexpr (kFunction == GateFunction::kClampedSwiglu) {
    gate = gate > limit ? limit : gate;
    up = up > limit ? limit : up < -limit ? -limit : up;
    return times_sigmoid<T>(gate, 1.702F * gate) * (up + 1.0F);
  } else {
    return activate<static_cast<ActivationFunction>(kFunction), T>(gate) * up;
  }
}

// expert_gemm_wgmma.cu, for tiles of up to 192 pairs where is_hopper().
template <typename T>
void launch_expert_wgmma(const ExpertArgs<T>& args, cudaStream_t stream);

// expert_gemm_plain.cu: any type and sizes, fused multiply-adds.
template <typename T>
void launch_expert_plain(const ExpertArgs<T>& args, cudaStream_t stream);

}  // namespace eet::kernels
