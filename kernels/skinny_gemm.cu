// Matrix products of few rows, for GPUs of compute capability 8.0 and later; Hopper has its own in
// skinny_gemm_wgmma.cu and skinny_gemm_pairs.cu.
//
// Weights are the first operand of the tensor core product, 16 of their rows a warp, and the tokens
// its 8 columns: few tokens waste no work. Weights and tokens flow through a ring of stages in
// shared memory. The ring's weights are asked for before the previous kernel has ended, since they
// do not depend on it: their latency and the start of the kernel cost nothing then.
//
// Each result is one chain of products over ascending 16s of in_features: nothing is split, so that
// neither the number of tokens nor the shape of the grid changes a bit.
#include <algorithm>

#include "kernels/contract/host_device.h"
#include "kernels/mma.cuh"
#include "kernels/skinny_gemm.cuh"

namespace eet::kernels {
namespace {

constexpr int kTileRows = 16;        // rows of the weight in a product
constexpr int kTileTokens = 8;       // tokens in a product
constexpr int kStepFeatures = 16;    // in_features in a product
constexpr int kChunkFeatures = 128;  // in_features in a stage
constexpr int kSteps = 4;            // products whose operands a warp has in registers
constexpr int kRounds = kChunkFeatures / kStepFeatures / kSteps;
constexpr int kLinePieces = kChunkFeatures / 8;  // of 16 bytes, in a row's part of a stage

// kParts is 2 for gated activations: a warp then has the rows of the gates and their partners.
template <int kWarpCount, int kTokenTileCount, int kPartCount>
struct Tiling {
  static constexpr int kWarps = kWarpCount;
  static constexpr int kTokenTiles = kTokenTileCount;
  static constexpr int kColumnTiles = kTokenTiles;
  static constexpr bool kTokensFirst = false;
  static constexpr int kParts = kPartCount;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kRowsAtOnce = kThreads / kLinePieces;  // that a block copies
  static constexpr int kBlockRows = kTileRows * kWarps;
  static constexpr int kWeightLines = kBlockRows * kParts;
  static constexpr int kTokenLines = kTileTokens * kTokenTiles;
  static constexpr int kStagePieces = (kWeightLines + kTokenLines) * kLinePieces;
  // About 48 KiB of weights under way in two blocks of an SM cover the latency of memory.
  static constexpr int kStages = kWarps * kParts == 1 ? 8 : kWarps * kParts == 2 ? 6 : 4;
  static constexpr int kSharedBytes = kStages * kStagePieces * static_cast<int>(sizeof(uint4));
};

// Pieces of a line trade places, so that a piece of eight lines meets in no bank.
__device__ __forceinline__ int place(int line, int piece) {
  return line * kLinePieces + (piece ^ (line % 8));
}

// Each thread copies one piece of every kRowsAtOnce-th line. The lines of a warp are its 16 rows of
// the first part, then those of the second.
template <typename Shape, typename T>
__device__ __forceinline__ void copy_weights(uint4* stage, const SkinnyArgs<T>& args, int chunk) {
  const int piece = static_cast<int>(threadIdx.x) % kLinePieces;
  const int first = static_cast<int>(threadIdx.x) / kLinePieces;
  const int first_row = static_cast<int>(blockIdx.x) * Shape::kBlockRows + first;
  const int feature = chunk * kChunkFeatures + 8 * piece;
  const int64_t in_features = args.product.in_features;
  const T* source = args.product.weight + first_row * in_features + feature;
  const bool valid = feature < in_features;
#pragma unroll
  for (int line = 0; line < Shape::kWeightLines; line += Shape::kRowsAtOnce) {
    const int tile = line / kTileRows;
    const int row = tile / Shape::kParts * kTileRows + line % kTileRows;
    const int part_row = tile % Shape::kParts * args.width + row;
    copy_async_16(shared_address(stage + place(line + first, piece)),
                  source + part_row * in_features, valid && first_row + row < args.width);
  }
}

template <typename Shape, typename T>
__device__ __forceinline__ void copy_tokens(uint4* stage, const SkinnyArgs<T>& args, int chunk) {
  uint4* lines = stage + Shape::kWeightLines * kLinePieces;
  const int piece = static_cast<int>(threadIdx.x) % kLinePieces;
  const int first = static_cast<int>(threadIdx.x) / kLinePieces;
  const int feature = chunk * kChunkFeatures + 8 * piece;
  const int64_t in_features = args.product.in_features;
  const T* source = args.product.x + first * in_features + feature;
  const bool valid = feature < in_features;
#pragma unroll
  for (int token = 0; token < Shape::kTokenLines; token += Shape::kRowsAtOnce) {
    copy_async_16(shared_address(lines + place(token + first, piece)), source + token * in_features,
                  valid && token + first < args.product.num_rows);
  }
}

// What one warp multiplies in a round: its rows of the weight and all tokens.
template <typename Shape>
struct Operands {
  uint32_t weights[kSteps][Shape::kParts][4];
  uint32_t tokens[kSteps][Shape::kTokenTiles][2];

  __device__ __forceinline__ void load(const uint4* stage, int round, int warp, int lane) {
    const uint4* weight_lines = stage + warp * Shape::kParts * kTileRows * kLinePieces;
    load_tokens(stage + Shape::kWeightLines * kLinePieces, round, lane);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
#pragma unroll
      for (int part = 0; part < Shape::kParts; ++part) {
        const int line = part * kTileRows + lane % kTileRows;
        load_matrices(weights[step][part],
                      shared_address(weight_lines +
                                     place(line, 2 * (round * kSteps + step) + lane / kTileRows)));
      }
    }
  }

 private:
  // Four matrices of 8 tokens by 8 features at a time: two steps of one tile of tokens, or one step
  // of two.
  __device__ __forceinline__ void load_tokens(const uint4* lines, int round, int lane) {
    const int matrix = lane / 8;
    uint32_t r[4];
    if constexpr (Shape::kTokenTiles == 1) {
#pragma unroll
      for (int step = 0; step < kSteps; step += 2) {
        load_matrices(
            r, shared_address(lines + place(lane % 8, 2 * (round * kSteps + step) + matrix)));
        set_tokens(step, 0, r[0], r[1]);
        set_tokens(step + 1, 0, r[2], r[3]);
      }
    } else {
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
#pragma unroll
        for (int tile = 0; tile < Shape::kTokenTiles; tile += 2) {
          const int token = (tile + matrix / 2) * kTileTokens + lane % 8;
          load_matrices(
              r, shared_address(lines + place(token, 2 * (round * kSteps + step) + matrix % 2)));
          set_tokens(step, tile, r[0], r[1]);
          set_tokens(step, tile + 1, r[2], r[3]);
        }
      }
    }
  }

  __device__ __forceinline__ void set_tokens(int step, int tile, uint32_t low, uint32_t high) {
    tokens[step][tile][0] = low;
    tokens[step][tile][1] = high;
  }
};

template <typename T, typename Shape>
__device__ __forceinline__ void multiply(Sums<Shape>& sums, const Operands<Shape>& operands) {
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
#pragma unroll
    for (int part = 0; part < Shape::kParts; ++part) {
#pragma unroll
      for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
        mma_16x8x16<T>(sums[part][tile], operands.weights[step][part],
                       operands.tokens[step][tile][0], operands.tokens[step][tile][1]);
      }
    }
  }
}

template <typename T, typename Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1) skinny_gemm_kernel(const SkinnyArgs<T> args) {
  extern __shared__ uint4 shared[];
  constexpr int kStages = Shape::kStages;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int num_chunks = ceil_div(args.product.in_features, kChunkFeatures);
  const SumPlaces<Shape> places(static_cast<int>(blockIdx.x) * Shape::kBlockRows, warp, lane);
  Bias<T, Shape> bias;
  bias.load(args, places);
  const auto stage_of = [&](int chunk) {
    return shared + static_cast<unsigned>(chunk) % kStages * Shape::kStagePieces;
  };

  // Chunks past the last one are zeros: no branch parts the copies from the products between which
  // they are issued.
#pragma unroll
  for (int chunk = 0; chunk < kStages - 1; ++chunk) {
    copy_weights<Shape>(stage_of(chunk), args, chunk);
  }
  wait_for_previous_kernel();
#pragma unroll
  for (int chunk = 0; chunk < kStages - 1; ++chunk) {
    copy_tokens<Shape>(stage_of(chunk), args, chunk);
    commit_copies();
  }

  Sums<Shape> sums = {};
  for (int chunk = 0; chunk < num_chunks; ++chunk) {
    wait_copies<kStages - 2>();
    __syncthreads();  // this chunk has arrived, and all have read the one before
    const int next = chunk + kStages - 1;
#pragma unroll
    for (int round = 0; round < kRounds; ++round) {
      Operands<Shape> operands;
      operands.load(stage_of(chunk), round, warp, lane);
      multiply<T, Shape>(sums, operands);
      if (round > 0) continue;
      copy_weights<Shape>(stage_of(next), args, next);
      copy_tokens<Shape>(stage_of(next), args, next);
      commit_copies();
    }
  }

  wait_copies<0>();

  bias.add(sums, args);
  finish_and_store<T, Shape>(args, sums, places);
}

template <typename T, typename Shape>
void launch(const SkinnyArgs<T>& args, cudaStream_t stream) {
  const auto kernel = skinny_gemm_kernel<T, Shape>;
  CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  Shape::kSharedBytes));
  const int blocks = ceil_div(args.width, Shape::kBlockRows);
  launch_overlapped(kernel, blocks, Shape::kThreads, Shape::kSharedBytes, stream, args);
}

template <typename T, int kWarps, int kParts>
void launch(const SkinnyArgs<T>& args, cudaStream_t stream) {
  if (args.product.num_rows <= 8) {
    launch<T, Tiling<kWarps, 1, kParts>>(args, stream);
  } else if (args.product.num_rows <= 16) {
    launch<T, Tiling<kWarps, 2, kParts>>(args, stream);
  } else {
    launch<T, Tiling<kWarps, 4, kParts>>(args, stream);
  }
}

// As many warps to a block as leave two blocks to each SM of an H100: more warps share their
// tokens, more blocks share the bandwidth evenly.
template <typename T, int kParts>
void launch(const SkinnyArgs<T>& args, cudaStream_t stream) {
  constexpr int kEnoughBlocks = 2 * 132;
  if (args.product.num_rows == 0) return;
  if (is_hopper() && !args.product.portable) {
    return args.product.num_rows <= kMaxWgmmaRows ? launch_wgmma<T, kParts>(args, stream)
                                                  : launch_pairs<T, kParts>(args, stream);
  }
  const int tiles = ceil_div(args.width, kTileRows);
  if (tiles <= kEnoughBlocks) {
    launch<T, 1, kParts>(args, stream);
  } else if (tiles <= 2 * kEnoughBlocks || kParts == 2) {
    launch<T, 2, kParts>(args, stream);
  } else {
    launch<T, 4, kParts>(args, stream);
  }
}

Epilogue epilogue_of(ActivationFunction function) {
  switch (function) {
    case ActivationFunction::kSilu:
      return Epilogue::kSilu;
    case ActivationFunction::kGeluTanh:
      return Epilogue::kGeluTanh;
    case ActivationFunction::kRelu:
      return Epilogue::kRelu;
    case ActivationFunction::kReluSquared:
      return Epilogue::kReluSquared;
    case ActivationFunction::kGeluErf:
      break;
  }
  return Epilogue::kGeluErf;
}

}  // namespace

int max_skinny_rows(int64_t out_features, bool gated) {
  if (!is_hopper()) return kMaxSkinnyRows;
  const int parts = gated ? 2 : 1;
  return std::max(kMaxWgmmaRows, max_pair_rows(out_features / parts, parts));
}

bool is_skinny(int64_t num_rows, int64_t in_features, int64_t out_features, bool gated,
               const void* x, const void* weight) {
  const auto addresses = reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(weight);
  return in_features % 8 == 0 && addresses % 16 == 0 &&
         num_rows <= max_skinny_rows(out_features, gated);
}

template <typename T, typename Out>
void skinny_linear(Out* out, const SkinnyProduct<T>& product, cudaStream_t stream) {
  launch<T, 1>({out, product, product.out_features, sizeof(Out) == sizeof(float), Epilogue::kStore},
               stream);
}

template <typename T>
void skinny_linear_activation(T* out, const SkinnyProduct<T>& product, ActivationFunction function,
                              cudaStream_t stream) {
  launch<T, 1>({out, product, product.out_features, false, epilogue_of(function)}, stream);
}

template <typename T>
void skinny_linear_gated_activation(T* out, const SkinnyProduct<T>& product,
                                    ActivationFunction function, cudaStream_t stream) {
  launch<T, 2>({out, product, product.out_features / 2, false, epilogue_of(function)}, stream);
}

#define EET_SKINNY_GEMM(T)                                                                      \
  template void skinny_linear(T*, const SkinnyProduct<T>&, cudaStream_t);                       \
  template void skinny_linear(float*, const SkinnyProduct<T>&, cudaStream_t);                   \
  template void skinny_linear_activation(T*, const SkinnyProduct<T>&, ActivationFunction,       \
                                         cudaStream_t);                                         \
  template void skinny_linear_gated_activation(T*, const SkinnyProduct<T>&, ActivationFunction, \
                                               cudaStream_t)
EET_SKINNY_GEMM(__half);
EET_SKINNY_GEMM(__nv_bfloat16);
#undef EET_SKINNY_GEMM

}  // namespace eet::kernels
