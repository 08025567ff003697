// Products of pairs with their experts' matrices, for tensor cores of compute capability 8.0 and
// later.
//
// Weights are the first operand of the tensor core product, 16 of their rows, and pairs its 8
// columns: experts of few pairs waste little work. Each result is one chain of products over
// ascending 16s of in_features, whatever the tile: nothing is split.
#include <algorithm>

#include "kernels/expert_epilogue.cuh"
#include "kernels/expert_gemm.cuh"
#include "kernels/mma.cuh"
#include "kernels/precondition.h"
#include "kernels/skinny_gemm.h"

namespace eet::kernels {
namespace {

constexpr int kStepFeatures = 16;  // in_features in a product
constexpr int kSteps = kChunkFeatures / kStepFeatures;

// Warps of kLineTiles * 16 lines of weights by kPairTiles * 8 pairs.
template <int kPairs, int kLineWarpCount, int kPairWarpCount, int kLineTileCount, int kStageCount,
          int kBlockCount, int kPartCount>
struct Tiling {
  static constexpr int kTileRows = kPairs;
  static constexpr int kLineWarps = kLineWarpCount;
  static constexpr int kPairWarps = kPairWarpCount;
  static constexpr int kThreads = 32 * kLineWarps * kPairWarps;
  static constexpr int kParts = kPartCount;
  static constexpr int kLineTiles = kLineTileCount / kParts;  // of each part, of a warp
  static constexpr int kPairTiles = kPairs / kPairWarps / 8;
  static constexpr int kLineTileStride = 16;
  static constexpr int kPartLines = 16 * kLineTiles;
  static constexpr int kWarpLines = kPartLines * kParts;
  static constexpr int kWeightLines = kWarpLines * kLineWarps;
  static constexpr int kTileWidth = kWeightLines / kParts;
  static constexpr int kStages = kStageCount;
  static constexpr int kBlocks = kBlockCount;  // of an SM
  static constexpr int kStageBytes = (kWeightLines + kTileRows) * kLineBytes;
  static constexpr int kSharedBytes = kStages * kStageBytes;
  static_assert(kPairTiles % 2 == 0);
};

template <typename T, typename Shape>
__device__ __forceinline__ void multiply_chunk(TileSums<Shape>& sums, uint32_t stage, int warp,
                                               int lane) {
  const int first_line = warp % Shape::kLineWarps * Shape::kWarpLines;
  const int first_pair = Shape::kWeightLines + warp / Shape::kLineWarps * Shape::kPairTiles * 8;
  const uint32_t lines = stage + static_cast<uint32_t>(first_line * kLineBytes);
  const uint32_t pairs = stage + static_cast<uint32_t>(first_pair * kLineBytes);
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    uint32_t columns[Shape::kPairTiles][2];
#pragma unroll
    for (int tile = 0; tile < Shape::kPairTiles; tile += 2) {
      // Two tiles of 8 pairs, two halves of the features each.
      uint32_t r[4];
      const int line = 8 * (tile + lane / 16) + lane % 8;
      load_matrices(r, pairs + place(line, 2 * step + lane / 8 % 2));
      columns[tile][0] = r[0];
      columns[tile][1] = r[1];
      columns[tile + 1][0] = r[2];
      columns[tile + 1][1] = r[3];
    }
#pragma unroll
    for (int part = 0; part < Shape::kParts; ++part) {
#pragma unroll
      for (int line_tile = 0; line_tile < Shape::kLineTiles; ++line_tile) {
        uint32_t rows[4];
        const int line = part * Shape::kPartLines + 16 * line_tile + lane % 16;
        load_matrices(rows, lines + place(line, 2 * step + lane / 16));
#pragma unroll
        for (int tile = 0; tile < Shape::kPairTiles; ++tile) {
          mma_16x8x16<T>(sums[part][line_tile][tile], rows, columns[tile][0], columns[tile][1]);
        }
      }
    }
  }
}

template <typename T, typename Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kBlocks)
    expert_gemm_kernel(const ExpertArgs<T> args) {
  extern __shared__ uint4 shared[];
  const uint32_t memory = shared_address(shared);
  constexpr int kStages = Shape::kStages;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  wait_for_previous_kernel();
  const int out_tiles = ceil_div(args.width, Shape::kTileWidth);
  const int num_flat = *args.groups.num_tiles * out_tiles;
  const int num_chunks = ceil_div(args.product.in_features, kChunkFeatures);
  const int line = warp % Shape::kLineWarps * Shape::kPartLines;
  const int first_pair = warp / Shape::kLineWarps * Shape::kPairTiles * 8;

  TileCopier<T, Shape> copier(args, out_tiles, num_flat);
  int filled = 0;  // the stage to be filled next
  const auto fill_next = [&] {
    copier.copy_next(memory + static_cast<uint32_t>(filled * Shape::kStageBytes));
    commit_copies();
    filled = filled + 1 == kStages ? 0 : filled + 1;
  };
#pragma unroll 1
  for (int stage = 0; stage < kStages - 1; ++stage) fill_next();

  int full = 0;  // the stage to be read next
  for (int flat = static_cast<int>(blockIdx.x); flat < num_flat;
       flat += static_cast<int>(gridDim.x)) {
    TileSums<Shape> sums = {};
#pragma unroll 1
    for (int chunk = 0; chunk < num_chunks; ++chunk) {
      wait_copies<kStages - 2>();
      __syncthreads();  // this chunk has arrived, and all have read the one before
      fill_next();
      multiply_chunk<T, Shape>(sums, memory + static_cast<uint32_t>(full * Shape::kStageBytes),
                               warp, lane);
      full = full + 1 == kStages ? 0 : full + 1;
    }
    const FlatTile tile(args, flat, out_tiles, Shape::kTileWidth);
    finish_tile<T, Shape>(sums, args, tile, tile.first_row + line, first_pair, lane);
  }
  wait_copies<0>();
}

template <typename T, typename Shape>
void launch(const ExpertArgs<T>& args, cudaStream_t stream) {
  const auto kernel = expert_gemm_kernel<T, Shape>;
  CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  Shape::kSharedBytes));
  const int64_t tiles = args.groups.max_tiles() * ceil_div(args.width, Shape::kTileWidth);
  const int64_t blocks = std::min<int64_t>(tiles, int64_t{Shape::kBlocks} * num_multiprocessors());
  launch_overlapped(kernel, static_cast<unsigned>(blocks), Shape::kThreads, Shape::kSharedBytes,
                    stream, args);
}

template <typename T, int kParts>
void launch(const ExpertArgs<T>& args, cudaStream_t stream) {
  switch (args.groups.tile_rows) {
    case 16:
      return launch<T, Tiling<16, 2, 1, 2, 5, 4, kParts>>(args, stream);
    case 32:
      return launch<T, Tiling<32, 4, 1, 2, 4, 2, kParts>>(args, stream);
    case 64:
      return launch<T, Tiling<64, 4, 1, 2, 4, 2, kParts>>(args, stream);
    case 128:
      if (is_hopper() && !args.product.portable) return launch_expert_wgmma(args, stream);
      return launch<T, Tiling<128, 2, 4, 4, 3, 1, kParts>>(args, stream);
    case 192:
      if (is_hopper() && !args.product.portable) return launch_expert_wgmma(args, stream);
      return launch<T, Tiling<192, 2, 4, 4, 2, 1, kParts>>(args, stream);
    default:
      check_precondition(false, "experts: tiles of ", args.groups.tile_rows, " pairs");
  }
}

// Whether tensor cores can take these operands.
template <typename T>
bool fits_tensor_cores(const ExpertArgs<T>& args) {
  const ExpertProduct<T>& product = args.product;
  const auto addresses = reinterpret_cast<uintptr_t>(product.x) |
                         reinterpret_cast<uintptr_t>(product.weight) |
                         reinterpret_cast<uintptr_t>(args.out);
  return !product.plain && product.in_features % 8 == 0 && args.width % 8 == 0 &&
         addresses % 16 == 0;
}

template <typename T>
void run(const ExpertArgs<T>& args, cudaStream_t stream) {
  if (args.groups.num_rows == 0) return;
  if constexpr (sizeof(T) == 2) {
    if (fits_tensor_cores(args)) {
      return args.gate.gated ? launch<T, 2>(args, stream) : launch<T, 1>(args, stream);
    }
  }
  launch_expert_plain(args, stream);
}

}  // namespace

template <typename T>
void experts_up(T* out, const ExpertProduct<T>& product, const ExpertGroups& groups,
                const ExpertGate& gate, cudaStream_t stream) {
  const int width = product.out_features / (gate.gated ? 2 : 1);
  run<T>({out, product, groups, gate, width, /*gathers=*/true}, stream);
  if (gate.gated) return;
  activation(out, out, static_cast<int>(groups.num_pairs()), width, gate.function, stream);
}

template <typename T>
void experts_down(T* out, const ExpertProduct<T>& product, const ExpertGroups& groups,
                  cudaStream_t stream) {
  run<T>({out, product, groups, {}, product.out_features, /*gathers=*/false}, stream);
}

#define EET_EXPERT_GEMM(T)                                                                      \
  template void experts_up(T*, const ExpertProduct<T>&, const ExpertGroups&, const ExpertGate&, \
                           cudaStream_t);                                                       \
  template void experts_down(T*, const ExpertProduct<T>&, const ExpertGroups&, cudaStream_t)
EET_EXPERT_GEMM(float);
EET_EXPERT_GEMM(__half);
EET_EXPERT_GEMM(__nv_bfloat16);
#undef EET_EXPERT_GEMM

}  // namespace eet::kernels
