// Products of many pairs with their experts' matrices, by Hopper's warpgroup products.
//
// Two warpgroups share a tile of up to 192 pairs and have 128 lines of the weight each: the more
// pairs, the fewer bytes come from L2 for a product. A tile that is not full is multiplied in 64s
// of pairs. Operands come by cp.async, since the rows of the pairs lie anywhere. Each result is the
// same chain of 16-wide products as in expert_gemm.cu.
#include <algorithm>

#include "kernels/expert_epilogue.cuh"
#include "kernels/hopper.cuh"

namespace eet::kernels {
namespace {

constexpr int kGroupThreads = 128;
constexpr int kTileLines = 64;    // of a warpgroup product
constexpr int kAlignment = 1024;  // the swizzle repeats; dynamic shared memory begins anywhere

template <int kPartCount>
struct Tiling {
  static constexpr int kTileRows = 192;
  static constexpr int kGroups = 2;
  static constexpr int kThreads = kGroupThreads * kGroups;
  static constexpr int kParts = kPartCount;
  static constexpr int kLineTiles = 2 / kParts;  // of each part, of a warpgroup
  static constexpr int kLineTileStride = kTileLines;
  static constexpr int kPartLines = kLineTileStride * kLineTiles;
  static constexpr int kGroupLines = kPartLines * kParts;
  static constexpr int kWeightLines = kGroupLines * kGroups;
  static constexpr int kTileWidth = kWeightLines / kParts;
  static constexpr int kStages = 4;
  static constexpr int kStageBytes = (kWeightLines + kTileRows) * kLineBytes;
  static constexpr int kSharedBytes = kStages * kStageBytes + kAlignment;
  static_assert(kStageBytes % kAlignment == 0);
};

// A tile of up to kPairs pairs.
template <typename Tiling, int kPairs>
struct Part : Tiling {
  static constexpr int kPairTiles = kPairs / 8;
};

// Starts the products of a warpgroup with a chunk.
template <typename T, typename Shape>
__device__ __forceinline__ void multiply_chunk(TileSums<Shape>& sums, uint32_t stage, int group) {
  const uint32_t lines = stage + static_cast<uint32_t>(group * Shape::kGroupLines * kLineBytes);
  const uint32_t pairs = stage + Shape::kWeightLines * kLineBytes;
  begin_products();
#pragma unroll
  for (int step = 0; step < kChunkFeatures / 16; ++step) {
#pragma unroll
    for (int tile = 0; tile < Shape::kParts * Shape::kLineTiles; ++tile) {
      const uint32_t first_line = lines + static_cast<uint32_t>(tile * kTileLines * kLineBytes);
      multiply<T, 8 * Shape::kPairTiles>(sums[tile / Shape::kLineTiles][tile % Shape::kLineTiles],
                                         tile_descriptor((first_line + 32 * step) / 16),
                                         tile_descriptor((pairs + 32 * step) / 16));
    }
  }
  commit_products();
}

template <typename T, typename Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    expert_wgmma_kernel(const ExpertArgs<T> args) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  extern __shared__ char shared[];
  constexpr int kStages = Shape::kStages;
  // The same in all threads, and known to be: descriptors are made in uniform registers.
  const uint32_t memory = (shared_address(shared) + kAlignment - 1) / kAlignment * kAlignment;
  const int group = __shfl_sync(0xFFFFFFFFU, static_cast<int>(threadIdx.x) / kGroupThreads, 0);
  const int warp = static_cast<int>(threadIdx.x) % kGroupThreads / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  wait_for_previous_kernel();
  const int out_tiles = ceil_div(args.width, Shape::kTileWidth);
  const int num_flat = *args.groups.num_tiles * out_tiles;
  const int num_chunks = ceil_div(args.product.in_features, kChunkFeatures);

  TileCopier<T, Shape> copier(args, out_tiles, num_flat);
  int filled = 0;  // the stage to be filled next
  const auto fill_next = [&] {
    copier.copy_next(memory + static_cast<uint32_t>(filled * Shape::kStageBytes));
    commit_copies();
    filled = (filled + 1) % kStages;
  };
  // The products of one chunk run while the next ones are issued, so that the stage filled next is
  // that of the chunk before the one before.
#pragma unroll 1
  for (int stage = 0; stage < kStages - 2; ++stage) fill_next();

  int full = 0;  // the stage to be read next
  for (int flat = static_cast<int>(blockIdx.x); flat < num_flat;
       flat += static_cast<int>(gridDim.x)) {
    const FlatTile tile(args, flat, out_tiles, Shape::kTileWidth);
    const auto work = [&]<int kPairs>() {
      using TilePart = Part<Shape, kPairs>;
      TileSums<TilePart> sums = {};
#pragma unroll 1
      for (int chunk = 0; chunk < num_chunks; ++chunk) {
        wait_copies<kStages - 3>();
        publish_to_products();
        __syncthreads();  // this chunk has arrived, and all but the one before it have been read
        const int stage = __shfl_sync(0xFFFFFFFFU, full, 0);
        multiply_chunk<T, TilePart>(
            sums, memory + static_cast<uint32_t>(stage * Shape::kStageBytes), group);
        fill_next();
        wait_products<1>();
        full = (full + 1) % kStages;
      }
      wait_products<0>();
      finish_tile<T, TilePart>(sums, args, tile,
                               tile.first_row + group * Shape::kPartLines + 16 * warp, 0, lane);
    };
    if (tile.pairs.count <= 64) {
      work.template operator()<64>();
    } else if (tile.pairs.count <= 128) {
      work.template operator()<128>();
    } else {
      work.template operator()<192>();
    }
  }
  wait_copies<0>();
#endif
}

template <typename T, int kParts>
void launch(const ExpertArgs<T>& args, cudaStream_t stream) {
  using Shape = Tiling<kParts>;
  const auto kernel = expert_wgmma_kernel<T, Shape>;
  CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  Shape::kSharedBytes));
  const int64_t tiles = args.groups.max_tiles() * ceil_div(args.width, Shape::kTileWidth);
  const auto blocks = static_cast<unsigned>(std::min<int64_t>(tiles, num_multiprocessors()));
  launch_overlapped(kernel, blocks, Shape::kThreads, Shape::kSharedBytes, stream, args);
}

}  // namespace

template <typename T>
void launch_expert_wgmma(const ExpertArgs<T>& args, cudaStream_t stream) {
  args.gate.gated ? launch<T, 2>(args, stream) : launch<T, 1>(args, stream);
}

template void launch_expert_wgmma(const ExpertArgs<__half>&, cudaStream_t);
template void launch_expert_wgmma(const ExpertArgs<__nv_bfloat16>&, cudaStream_t);

}  // namespace eet::kernels
