// Matrix products of up to 64 rows on Hopper's warpgroup tensor cores (compute capability 9.0a).
//
// One warp feeds a ring of stages by the bulk tensor copy engine (TMA); a warpgroup multiplies,
// straight from shared memory. The ring's weights are asked for before the previous kernel has
// ended.
//
// A product has 64 lines of its first operand and few of the second. Weights come first where they
// have rows enough for all SMs: 64 of them (or 64 gates and their 64 partners) with all tokens.
// Where they have not, tokens come first, up to 64 of them, with as few of the weight's rows as
// leave a block to each SM. An SM reads at most 100 GB/s: with weights first, 32 tokens by
// [1600, 6400] occupy 25 SMs of an H100 for 12.3 us, with tokens first 100 SMs for 10.1 us; by
// [4096, 14336] 43 and 41 us.
//
// Each result is one chain of products over ascending 16s of in_features, as in skinny_gemm.cu.
#include <algorithm>

#include "kernels/contract/host_device.h"
#include "kernels/skinny_gemm.cuh"
#include "kernels/wgmma_ring.cuh"

// For other GPUs the kernel has no body, which leaves what it is made of without a use.
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
#pragma nv_diag_suppress 177
#endif

namespace eet::kernels {
namespace {

constexpr int kTileLines = 64;  // of the first operand in a product
// What an SM has under way bounds how fast it reads: its blocks' rings fill its shared memory. On
// an H100, 32 tokens by [2048, 8192] on 32 SMs: 21.5 us with half of that, 16 us with all.
constexpr int kRingBytes = 220 * 1024;

// A block multiplies 64 rows of each part of the weight with up to kTokens tokens.
template <int kTokens, int kPartCount, int kBlockCount>
struct WeightsFirst {
  static constexpr bool kTokensFirst = false;
  static constexpr int kRows = kTileLines;     // of each part of the weight
  static constexpr int kParts = kPartCount;    // 2: gates and their partners
  static constexpr int kColumns = kTokens;     // of a product
  static constexpr int kBlocks = kBlockCount;  // that share an SM
  // Slices of 64 in_features in a stage.
  static constexpr int kSlices = kTokens <= 32 && kParts * kBlocks < 4 ? 2 : 1;
};

// A block multiplies kRowCount rows of the weight with up to 64 tokens.
template <int kRowCount>
struct TokensFirst {
  static constexpr bool kTokensFirst = true;
  static constexpr int kRows = kRowCount;
  static constexpr int kParts = 1;
  static constexpr int kColumns = kRowCount;
  static constexpr int kBlocks = 1;
  static constexpr int kSlices = 4;
};

// What follows from a tiling.
template <typename Tiling>
struct Layout : Tiling {
  static constexpr int kColumnTiles = Tiling::kColumns / 8;
  static constexpr int kThreads = 128 + 32;
  static constexpr int kChunkFeatures = Tiling::kSlices * kLineFeatures;  // of a stage
  static constexpr int kSliceBytes = Tiling::kRows * kLineBytes;          // of a part
  static constexpr int kPartBytes = kSliceBytes * Tiling::kSlices;        // of a stage
  static constexpr int kMaxTokenLines = Tiling::kTokensFirst ? kTileLines : Tiling::kColumns;
  static constexpr int kMaxStageBytes =
      Tiling::kSlices * kMaxTokenLines * kLineBytes + Tiling::kParts * kPartBytes;
  static_assert(3 * kMaxStageBytes <= kRingBytes / Tiling::kBlocks);
  // Lines of shared memory that tokens take. A product reads 64 where they come first: those past
  // the tokens are what lies there, and nothing is made of their sums.
  static int token_lines(int num_tokens) {
    return Tiling::kTokensFirst ? (num_tokens + 7) / 8 * 8 : Tiling::kColumns;
  }
};

// The ring in shared memory: in each stage the slices of the tokens, then those of each part of the
// weight.
struct Ring {
  int num_stages;
  int stage_bytes;
  int token_bytes;  // of a slice
};

template <typename T>
struct TmaArgs {
  SkinnyArgs<T> args;
  Ring ring;
  CUtensorMap weight;
  CUtensorMap tokens;
};

// The first row of a part that a block multiplies.
template <typename Shape>
__device__ __forceinline__ int first_block_row() {
  return static_cast<int>(blockIdx.x) * Shape::kRows;
}

// Copies chunks to the ring, see feed_ring().
template <typename T, typename Shape>
class Feeder {
 public:
  __device__ __forceinline__ Feeder(const TmaArgs<T>& tma, uint32_t memory, Barriers& barriers)
      : tma_(tma), memory_(memory), barriers_(barriers) {}

  __device__ __forceinline__ Barriers& barriers() const { return barriers_; }
  __device__ __forceinline__ int num_stages() const { return tma_.ring.num_stages; }

  // And announces all that comes.
  __device__ __forceinline__ void copy_weights(int chunk, int stage) const {
    const uint32_t target = memory_ + static_cast<uint32_t>(stage * tma_.ring.stage_bytes +
                                                            Shape::kSlices * tma_.ring.token_bytes);
    expect_bytes(&barriers_.full[stage], tma_.ring.stage_bytes);
#pragma unroll
    for (int slice = 0; slice < Shape::kParts * Shape::kSlices; ++slice) {
      const int part = slice / Shape::kSlices;
      copy_box_once(target + static_cast<uint32_t>(slice * Shape::kSliceBytes), tma_.weight,
                    first_feature(chunk, slice % Shape::kSlices),
                    part * tma_.args.width + first_block_row<Shape>(), &barriers_.full[stage]);
    }
  }

  __device__ __forceinline__ void copy_tokens(int chunk, int stage) const {
    const uint32_t target = memory_ + static_cast<uint32_t>(stage * tma_.ring.stage_bytes);
#pragma unroll
    for (int slice = 0; slice < Shape::kSlices; ++slice) {
      copy_box(target + static_cast<uint32_t>(slice * tma_.ring.token_bytes), tma_.tokens,
               first_feature(chunk, slice), 0, &barriers_.full[stage]);
    }
  }

 private:
  static __device__ __forceinline__ int first_feature(int chunk, int slice) {
    return (chunk * Shape::kSlices + slice) * kLineFeatures;
  }

  const TmaArgs<T>& tma_;
  uint32_t memory_;
  Barriers& barriers_;
};

// Adds the products of 16 in_features of the tokens and the weights at these places to the sums.
template <typename T, typename Shape>
__device__ __forceinline__ void multiply_step(Sums<Shape>& sums, uint32_t tokens,
                                              uint32_t weights) {
#pragma unroll
  for (int part = 0; part < Shape::kParts; ++part) {
    const uint64_t first = tile_descriptor(
        (Shape::kTokensFirst ? tokens : weights + static_cast<uint32_t>(part * Shape::kPartBytes)) /
        16);
    const uint64_t second = tile_descriptor((Shape::kTokensFirst ? weights : tokens) / 16);
    multiply<T, Shape::kColumns>(sums[part], first, second);
  }
}

// Multiplies what is in the ring, a warpgroup's work.
template <typename T, typename Shape>
__device__ __forceinline__ void multiply_tile(const TmaArgs<T>& tma, uint32_t memory,
                                              Barriers& barriers, int num_chunks) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const SumPlaces<Shape> places(first_block_row<Shape>(), warp, lane);
  Bias<T, Shape> bias;
  bias.load(tma.args, places);
  wait_for_previous_kernel();
  Sums<Shape> sums;
#pragma unroll
  for (int part = 0; part < Shape::kParts; ++part) {
#pragma unroll
    for (int i = 0; i < Shape::kColumns / 2; ++i) sums[part][i / 4][i % 4] = 0.0F;
  }
  RingPlace place;
  int previous_stage = 0;
  for (int chunk = 0; chunk < num_chunks; ++chunk, place.advance(tma.ring.num_stages)) {
    // The same in all threads, and known to be: descriptors are made in uniform registers.
    const uint32_t stage = __shfl_sync(
        0xFFFFFFFFU, memory + static_cast<uint32_t>(place.stage * tma.ring.stage_bytes), 0);
    wait_for(&barriers.full[place.stage], place.parity);
    begin_products();
#pragma unroll
    for (int step = 0; step < Shape::kChunkFeatures / kStepFeatures; ++step) {
      constexpr int kSliceSteps = kLineFeatures / kStepFeatures;
      const int slice = step / kSliceSteps;
      const int offset = step % kSliceSteps * kStepFeatures * 2;
      const int tokens = slice * tma.ring.token_bytes + offset;
      const int weights =
          Shape::kSlices * tma.ring.token_bytes + slice * Shape::kSliceBytes + offset;
      multiply_step<T, Shape>(sums, stage + static_cast<uint32_t>(tokens),
                              stage + static_cast<uint32_t>(weights));
    }
    commit_products();
    wait_products<1>();
    if (chunk > 0 && threadIdx.x == 0) arrive(&barriers.empty[previous_stage]);
    previous_stage = place.stage;
  }
  wait_products<0>();

  bias.add(sums, tma.args);
  finish_and_store<T, Shape>(tma.args, sums, places);
}

template <typename T, typename Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kBlocks)
    skinny_wgmma_kernel(const __grid_constant__ TmaArgs<T> tma) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  extern __shared__ char shared[];
  __shared__ Barriers barriers;
  // The swizzle repeats every 1024 bytes; dynamic shared memory begins anywhere.
  const uint32_t memory = (shared_address(shared) + 1023) / 1024 * 1024;
  if (threadIdx.x == 128) {
    prefetch_map(tma.weight);
    prefetch_map(tma.tokens);
  }
  if (static_cast<int>(threadIdx.x) < tma.ring.num_stages) {
    init_barrier(&barriers.full[threadIdx.x], 1);
    init_barrier(&barriers.empty[threadIdx.x], 1);
    publish_barriers();
  }
  __syncthreads();

  const int num_chunks =
      (tma.args.product.in_features + Shape::kChunkFeatures - 1) / Shape::kChunkFeatures;
  if (threadIdx.x < 128) {
    multiply_tile<T, Shape>(tma, memory, barriers, num_chunks);
  } else if (threadIdx.x == 128) {
    feed_ring(Feeder<T, Shape>(tma, memory, barriers), num_chunks);
  } else {
    wait_for_previous_kernel();
  }
#endif
}

// ---- the host's part

template <typename T, typename Tiling>
void launch_tiling(const SkinnyArgs<T>& args, cudaStream_t stream) {
  using Shape = Layout<Tiling>;
  const SkinnyProduct<T>& product = args.product;
  const int token_lines = Shape::token_lines(product.num_rows);
  const int token_bytes = token_lines * kLineBytes;
  const int stage_bytes = Shape::kSlices * token_bytes + Shape::kParts * Shape::kPartBytes;
  // Of the last slice of tokens, what a product reads past its stage.
  const int past_bytes =
      Shape::kTokensFirst
          ? std::max(0, (Shape::kSlices - 1) * token_bytes + kTileLines * kLineBytes - stage_bytes)
          : 0;
  // No more stages than chunks: what is left of the SM's memory is room for the next kernel to
  // start in. On an H100, steps of 32 rows of GPT-2 XL: 3.68 and 3.65 ms, of 16 of GPT-2 124M:
  // 0.399 and 0.394.
  const Ring ring = {
      .num_stages = std::min({kMaxStages, (kRingBytes / Shape::kBlocks - past_bytes) / stage_bytes,
                              ceil_div(product.in_features, Shape::kChunkFeatures)}),
      .stage_bytes = stage_bytes,
      .token_bytes = token_bytes};
  const int shared_bytes = ring.num_stages * stage_bytes + past_bytes + 1024;
  const auto kernel = skinny_wgmma_kernel<T, Shape>;
  CUDA_CHECK(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  const TmaArgs<T> tma = {
      .args = args,
      .ring = ring,
      .weight = tensor_map(product.weight, product.out_features, product.in_features, Shape::kRows),
      .tokens = tensor_map(product.x, product.num_rows, product.in_features, token_lines)};
  launch_overlapped(kernel, ceil_div(args.width, Shape::kRows), Shape::kThreads, shared_bytes,
                    stream, tma);
}

// Two blocks share an SM where there are many to come: one starts while another ends. On an H100,
// 16 tokens by [50304, 768]: 28 us, with one 31 us; by [28672, 4096] with gates: 80.6 and 79.2 us.
template <typename T, int kTokens, int kParts>
void launch_weights_first(const SkinnyArgs<T>& args, cudaStream_t stream) {
  if (ceil_div(args.width, kTileLines) > 4 * num_multiprocessors()) {
    launch_tiling<T, WeightsFirst<kTokens, kParts, 2>>(args, stream);
  } else {
    launch_tiling<T, WeightsFirst<kTokens, kParts, 1>>(args, stream);
  }
}

template <typename T, int kParts>
void launch_weights_first(const SkinnyArgs<T>& args, cudaStream_t stream) {
  const int n = args.product.num_rows;
  if (n <= 8) return launch_weights_first<T, 8, kParts>(args, stream);
  if (n <= 16) return launch_weights_first<T, 16, kParts>(args, stream);
  if (n <= 32) return launch_weights_first<T, 32, kParts>(args, stream);
  launch_weights_first<T, 64, kParts>(args, stream);
}

// Whether tokens come first: where the weight has too few rows for all SMs, and as many in_features
// as make up for the tokens that each block reads.
template <typename T>
bool are_tokens_first(const SkinnyArgs<T>& args) {
  const int n = args.product.num_rows;
  const bool few_tiles = 2 * ceil_div(args.width, kTileLines) <= num_multiprocessors();
  return few_tiles && (n > 32 || args.width <= args.product.in_features);
}

template <typename T>
void launch_tokens_first(const SkinnyArgs<T>& args, cudaStream_t stream) {
  const int rows = ceil_div(args.width, num_multiprocessors());
  if (rows <= 16) return launch_tiling<T, TokensFirst<16>>(args, stream);
  if (rows <= 24) return launch_tiling<T, TokensFirst<24>>(args, stream);
  launch_tiling<T, TokensFirst<32>>(args, stream);
}

}  // namespace

bool is_hopper() {
  static const bool hopper = [] {
    // The kernel compiled for anything else has no body, and no barriers.
    cudaFuncAttributes attributes{};
    CUDA_CHECK(
        cudaFuncGetAttributes(&attributes, skinny_wgmma_kernel<__half, Layout<TokensFirst<16>>>));
    return attributes.sharedSizeBytes >= sizeof(Barriers);
  }();
  return hopper;
}

template <typename T, int kParts>
void launch_wgmma(const SkinnyArgs<T>& args, cudaStream_t stream) {
  if constexpr (kParts == 1) {
    if (are_tokens_first(args)) return launch_tokens_first(args, stream);
  }
  launch_weights_first<T, kParts>(args, stream);
}

template void launch_wgmma<__half, 1>(const SkinnyArgs<__half>&, cudaStream_t);
template void launch_wgmma<__half, 2>(const SkinnyArgs<__half>&, cudaStream_t);
template void launch_wgmma<__nv_bfloat16, 1>(const SkinnyArgs<__nv_bfloat16>&, cudaStream_t);
template void launch_wgmma<__nv_bfloat16, 2>(const SkinnyArgs<__nv_bfloat16>&, cudaStream_t);

}  // namespace eet::kernels
