// Matrix products of 65 to 256 rows on Hopper's warpgroup tensor cores (compute capability 9.0a).
//
// Blocks that share nothing would have each SM read all tokens besides its rows of the weight, at
// most 84 GB/s. So a block has half or a quarter of the tokens and more of the rows, and two blocks
// of the same rows are a cluster: each reads half of the rows and the copy engine (TMA) hands them
// to both. On an H100, 128 tokens by [4096, 14336] take 43.7 us in pairs and 46 by the kernel for
// up to 64. Clusters of four, whose blocks share tokens as well, are slower: only 120 of their
// blocks fit on the 132 SMs, and 104 to 120 blocks of more rows took 1 to 6 % longer than 128 in
// pairs. Tried and slower: rings of their own for tokens and weights (equal at best), and asking
// for what comes after the ring, or for the next product's weight, to be in L2 (1 to 20 % of a
// step). And blocks that stay for all their turns and keep the ring full between them, sums being
// finished in small pieces beside it: 0.5 to 1 % of a step of Llama-3 8B, and 0.6 % more with the
// LM head's nine turns.
//
// Timed (its bits were not compared), and left out for its price: the halves of in_features to the
// two blocks of a cluster, which have twice the rows, read a third less and add up their sums at
// the end. 256 tokens by [4096, 14336] take 57.6 us as before, by [4096, 4096] 20.8 instead of 19.3
// and by [6144, 4096] 28.8 instead of 24.1; in steps of 256 rows of Llama-3 8B, at the GPU's power
// limit, 13.74 ms beside 13.92 with halves for the first of these and 13.85 for all. But two chains
// are other bits, which products of any number of rows would have to make: by such blocks those of
// 512 rows take 116 us, by cuBLASLt 84.
//
// One warp of a block feeds a ring of stages; one or two warpgroups multiply, 64 tokens each. The
// ring's weights are asked for before the previous kernel has ended.
//
// Each result is one chain of products over ascending 16s of in_features, as in skinny_gemm.cu.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "kernels/contract/host_device.h"
#include "kernels/precondition.h"
#include "kernels/skinny_gemm.cuh"
#include "kernels/wgmma_ring.cuh"

// For other GPUs the kernel has no body, which leaves what it is made of without a use.
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
#pragma nv_diag_suppress 177
#endif

namespace eet::kernels {
namespace {

constexpr int kGroupTokens = 64;  // of a warpgroup
constexpr int kRingBytes = 224 * 1024;

// A block multiplies up to 64 * kGroupCount tokens with kRowCount rows of each part of the weight.
template <int kGroupCount, int kRowCount, int kPartCount>
struct Tiling {
  static constexpr int kGroups = kGroupCount;
  static constexpr int kRows = kRowCount;
  static constexpr int kParts = kPartCount;        // 2: gates and their partners
  static constexpr int kColumns = kParts * kRows;  // of a product
  static constexpr int kMaxTokens = kGroupTokens * kGroups;
  static constexpr int kMultipliers = 128 * kGroups;  // threads
  static constexpr int kThreads = kMultipliers + 32;
  // Slices of 64 in_features in a stage: stages of 20 to 48 KiB. With shorter ones the turns of the
  // ring cost more, with longer ones less is under way when one is given back. On an H100, 128
  // tokens by [4096, 14336] in slices of 16 KiB: 45.2, 43.7, 47.0 us for 1, 2, 3 of them; by
  // [2048, 8192] in slices of 12 KiB: 24.9, 21.0, 18.5 us for 1, 2, 4.
  static constexpr int kSlices = kGroups == 2 ? 1 : kRows <= 32 ? 4 : 2;
  static constexpr int kChunkFeatures = kSlices * kLineFeatures;  // of a stage
  static constexpr int kTokenBytes = kMaxTokens * kLineBytes;     // of a slice
  static constexpr int kRowBytes = kRows * kLineBytes;            // of a part's slice
  static constexpr int kWeightBytes = kParts * kRowBytes;         // of a slice
  static constexpr int kWeightOffset = kSlices * kTokenBytes;     // in a stage
  static constexpr int kStageBytes = kSlices * (kTokenBytes + kWeightBytes);
  static constexpr int kMaxRing = std::min(kMaxStages, kRingBytes / kStageBytes);
  static_assert(kMaxRing >= 3);
};

// The grid has the tiles of tokens along x, of which `cluster` are one, and those of the weight's
// rows along y.
template <typename T>
struct PairArgs {
  SkinnyArgs<T> args;
  int cluster;      // 1 or 2 blocks
  int tile_tokens;  // of a block, a multiple of 8
  int num_stages;
  CUtensorMap weight;
  CUtensorMap tokens;
};

template <typename Shape>
__device__ __forceinline__ int first_block_row() {
  return static_cast<int>(blockIdx.y) * Shape::kRows;
}

// Copies chunks to the ring, see feed_ring().
template <typename T, typename Shape>
class PairFeeder {
 public:
  __device__ __forceinline__ PairFeeder(const PairArgs<T>& pair, uint32_t memory,
                                        Barriers& barriers)
      : pair_(pair),
        memory_(memory),
        barriers_(barriers),
        weight_lines_(Shape::kRows / pair.cluster) {}

  __device__ __forceinline__ Barriers& barriers() const { return barriers_; }
  __device__ __forceinline__ int num_stages() const { return pair_.num_stages; }

  // The block's share of the rows, for all blocks of the cluster; and announces all that comes.
  __device__ __forceinline__ void copy_weights(int chunk, int stage) const {
    const int first_line = static_cast<int>(blockIdx.x) % pair_.cluster * weight_lines_;
    const uint32_t target =
        memory_ + static_cast<uint32_t>(stage * Shape::kStageBytes + Shape::kWeightOffset +
                                        first_line * kLineBytes);
    const int token_bytes = pair_.tile_tokens * kLineBytes;
    expect_bytes(&barriers_.full[stage], Shape::kSlices * (token_bytes + Shape::kWeightBytes));
#pragma unroll
    for (int i = 0; i < Shape::kSlices * Shape::kParts; ++i) {
      const int part = i % Shape::kParts;
      const uint32_t part_target = target + static_cast<uint32_t>(i * Shape::kRowBytes);
      const int feature = first_feature(chunk, i / Shape::kParts);
      const int row = part * pair_.args.width + first_block_row<Shape>() + first_line;
      if (pair_.cluster == 1) {
        copy_box_once(part_target, pair_.weight, feature, row, &barriers_.full[stage]);
      } else {
        copy_box_once_to_both(part_target, pair_.weight, feature, row, &barriers_.full[stage]);
      }
    }
  }

  __device__ __forceinline__ void copy_tokens(int chunk, int stage) const {
    const uint32_t target = memory_ + static_cast<uint32_t>(stage * Shape::kStageBytes);
#pragma unroll
    for (int slice = 0; slice < Shape::kSlices; ++slice) {
      copy_box(target + static_cast<uint32_t>(slice * Shape::kTokenBytes), pair_.tokens,
               first_feature(chunk, slice), static_cast<int>(blockIdx.x) * pair_.tile_tokens,
               &barriers_.full[stage]);
    }
  }

 private:
  static __device__ __forceinline__ int first_feature(int chunk, int slice) {
    return (chunk * Shape::kSlices + slice) * kLineFeatures;
  }

  const PairArgs<T>& pair_;
  uint32_t memory_;
  Barriers& barriers_;
  int weight_lines_;  // that a block copies, of each part
};

// Tells the feeders of all blocks of the cluster that this warpgroup has read a stage.
__device__ __forceinline__ void give_back(uint64_t* barrier, int cluster) {
  const int thread = static_cast<int>(threadIdx.x) % 128;
  if (thread < cluster) arrive_at(barrier, static_cast<uint32_t>(thread));
}

// A thread's part of the products, of warp w and lane 4g + t: [tile][2h + i] is token 16w + 8h + g
// of the block and column 8 * tile + 2t + i, the rows of the parts one after the other.
template <typename Shape>
using PairSums = float[Shape::kColumns / 8][4];

// Waits for all threads that multiply.
template <typename Shape>
__device__ __forceinline__ void sync_multipliers() {
  asm volatile("bar.sync 1, %0;\n" ::"n"(Shape::kMultipliers) : "memory");
}

// The block's sums in shared memory, where the ring was: [token][part][row]. From there they are
// finished and stored 16 bytes at a time, by a loop. Done from where the products leave them, that
// takes 130 KiB of code for 224 columns, which each step of a model fetches anew, instead of 36.
template <typename Shape>
class SumRoom {
 public:
  // Eight tokens' pairs of sums meet in no bank.
  static constexpr int kTokenFloats = (Shape::kColumns + 23) / 32 * 32 + 8;
  static constexpr int kBytes = Shape::kMaxTokens * kTokenFloats * 4;

  __device__ __forceinline__ explicit SumRoom(float* room) : room_(room) {}

  __device__ __forceinline__ void write(const PairSums<Shape>& sums) const {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    float* first = room_ + (16 * warp + lane / 4) * kTokenFloats + lane % 4 * 2;
#pragma unroll
    for (int tile = 0; tile < Shape::kColumns / 8; ++tile) {
      float* to = first + 8 * tile;
      store_vec<2>(to, Vec<float, 2>{{sums[tile][0], sums[tile][1]}});
      store_vec<2>(to + 8 * kTokenFloats, Vec<float, 2>{{sums[tile][2], sums[tile][3]}});
    }
  }

  // Eight rows of a part from `row` on.
  __device__ __forceinline__ Vec<float, 8> read(int token, int part, int row) const {
    return load_vec<8>(room_ + token * kTokenFloats + part * Shape::kRows + row);
  }

 private:
  float* room_;
};

// Those below `end` of bias[row] to bias[row + 7], where there is a bias.
template <typename T>
__device__ __forceinline__ void add_bias(Vec<float, 8>& sums, const T* bias, int row, int end) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    if (bias != nullptr && row + i < end) sums.value[i] += to_float(bias[row + i]);
  }
}

template <ActivationFunction kFunction, typename T>
__device__ __forceinline__ void activate_all(Vec<float, 8>& sums) {
#pragma unroll
  for (float& sum : sums.value) sum = activate<kFunction, T>(to_float(from_float<T>(sum)));
}

// `count` of the values, at most all.
template <typename Out>
__device__ __forceinline__ void store_row(Out* out, const Vec<float, 8>& values, int count) {
  if (count >= 8 && reinterpret_cast<uintptr_t>(out) % 16 == 0) {
    return store_floats<8>(out, values);
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    if (i < count) out[i] = from_float<Out>(values.value[i]);
  }
}

// Biases, activates and stores the block's sums.
template <typename T, typename Shape>
__device__ __forceinline__ void finish_tile(const PairArgs<T>& pair, const SumRoom<Shape>& room) {
  const SkinnyArgs<T>& args = pair.args;
  const int first_token = static_cast<int>(blockIdx.x) * pair.tile_tokens;
  const int num_tokens = min(pair.tile_tokens, args.product.num_rows - first_token);
  constexpr int kPieces = Shape::kRows / 8;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < num_tokens * kPieces; i += Shape::kMultipliers) {
    const int token = i / kPieces;
    const int piece = i % kPieces * 8;
    const int row = first_block_row<Shape>() + piece;
    if (row >= args.width) continue;
    Vec<float, 8> sums = room.read(token, 0, piece);
    add_bias(sums, args.product.bias, row, args.width);
    with_function(args.epilogue,
                  [&]<ActivationFunction kFunction>() { activate_all<kFunction, T>(sums); });
    if constexpr (Shape::kParts == 2) {
      Vec<float, 8> partners = room.read(token, 1, piece);
      add_bias(partners, args.product.bias, args.width + row, 2 * args.width);
#pragma unroll
      for (int k = 0; k < 8; ++k) {
        sums.value[k] *= to_float(from_float<T>(partners.value[k]));
      }
    }
    const int64_t place = static_cast<int64_t>(first_token + token) * args.width + row;
    if (args.stores_fp32) {
      store_row(static_cast<float*>(args.out) + place, sums, args.width - row);
    } else {
      store_row(static_cast<T*>(args.out) + place, sums, args.width - row);
    }
  }
}

// Multiplies what is in the ring, a warpgroup's work.
template <typename T, typename Shape>
__device__ __forceinline__ void multiply_tile(const PairArgs<T>& pair, PairSums<Shape>& sums,
                                              uint32_t memory, Barriers& barriers, int num_chunks) {
#pragma unroll
  for (int i = 0; i < Shape::kColumns / 2; ++i) sums[i / 4][i % 4] = 0.0F;
  const auto group_offset =
      static_cast<uint32_t>(static_cast<int>(threadIdx.x) / 128 * kGroupTokens * kLineBytes);
  RingPlace place;
  int previous_stage = 0;
  for (int chunk = 0; chunk < num_chunks; ++chunk, place.advance(pair.num_stages)) {
    // The same in all threads, and known to be: descriptors are made in uniform registers.
    const uint32_t stage = __shfl_sync(
        0xFFFFFFFFU, memory + static_cast<uint32_t>(place.stage * Shape::kStageBytes), 0);
    const uint32_t tokens = __shfl_sync(0xFFFFFFFFU, stage + group_offset, 0);
    wait_for(&barriers.full[place.stage], place.parity);
    begin_products();
#pragma unroll
    for (int step = 0; step < Shape::kChunkFeatures / kStepFeatures; ++step) {
      constexpr int kSliceSteps = kLineFeatures / kStepFeatures;
      const int slice = step / kSliceSteps;
      const int offset = step % kSliceSteps * kStepFeatures * 2;
      const int token_lines = slice * Shape::kTokenBytes + offset;
      const int weight_lines = Shape::kWeightOffset + slice * Shape::kWeightBytes + offset;
      multiply<T, Shape::kColumns>(
          sums, tile_descriptor((tokens + static_cast<uint32_t>(token_lines)) / 16),
          tile_descriptor((stage + static_cast<uint32_t>(weight_lines)) / 16));
    }
    commit_products();
    wait_products<1>();
    // A stage that is not filled again is not given back: the other block may have ended.
    if (chunk > 0 && chunk - 1 + pair.num_stages < num_chunks) {
      give_back(&barriers.empty[previous_stage], pair.cluster);
    }
    previous_stage = place.stage;
  }
  wait_products<0>();
}

template <typename T, typename Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    skinny_pairs_kernel(const __grid_constant__ PairArgs<T> pair) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  extern __shared__ char shared[];
  __shared__ Barriers barriers;
  // The swizzle repeats every 1024 bytes; dynamic shared memory begins anywhere, but at the same
  // address in all blocks.
  const uint32_t memory = (shared_address(shared) + 1023) / 1024 * 1024;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == Shape::kMultipliers) {
    prefetch_map(pair.weight);
    prefetch_map(pair.tokens);
  }
  if (thread < pair.num_stages) {
    init_barrier(&barriers.full[thread], 1);
    init_barrier(&barriers.empty[thread], Shape::kGroups * pair.cluster);
    publish_barriers();
  }
  sync_cluster();

  const int num_chunks = ceil_div(pair.args.product.in_features, Shape::kChunkFeatures);
  if (thread < Shape::kMultipliers) {
    wait_for_previous_kernel();
    PairSums<Shape> sums;
    multiply_tile<T, Shape>(pair, sums, memory, barriers, num_chunks);
    const SumRoom<Shape> room(reinterpret_cast<float*>(shared + (memory - shared_address(shared))));
    sync_multipliers<Shape>();  // all have read the ring
    room.write(sums);
    sync_multipliers<Shape>();
    finish_tile<T, Shape>(pair, room);
  } else if (thread == Shape::kMultipliers) {
    feed_ring(PairFeeder<T, Shape>(pair, memory, barriers), num_chunks);
  } else {
    wait_for_previous_kernel();
  }
#endif
}

// ---- the host's part

// The warpgroups of a block, and its rows of each part of the weight.
struct Choice {
  int groups;
  int rows;
};

// Those that the kernel is compiled for. With 64 tokens by 16 rows as well, steps of 72 rows of
// Qwen2.5 0.5B took 1.20 ms instead of 1.15 on an H100, of GPT-2 124M the same; by 128 and 192
// rows, which move 14 and 6 % less through shared memory than 128 tokens by 64 and 96, steps of 256
// rows of Llama-3 8B took the same time, 14.02 to 14.09 ms beside 14.05 to 14.09 (with stages of
// two slices up to 2 % more), and with a leaner attention between them 13.88 beside 13.91: there
// the GPU is at its power limit.
template <int kParts>
constexpr auto kChoices = std::to_array<Choice>({{1, 32},
                                                 {1, 48},
                                                 {1, 64},
                                                 {1, 80},
                                                 {1, 96},
                                                 {1, 112},
                                                 {2, 64},
                                                 {2, 80},
                                                 {2, 96},
                                                 {2, 112},
                                                 {2, 128},
                                                 {2, 192},
                                                 {2, 256}});
template <>
constexpr auto kChoices<2> = std::to_array<Choice>({{2, 64}, {2, 72}, {2, 96}, {2, 112}, {2, 128}});

// How a product is divided.
struct Division {
  size_t choice;  // of kChoices
  int tiles;      // of tokens: 1, 2 or 4
  int turns;      // that an SM takes
  double use;     // of the SMs, over the turns they take
};

// The division with which an SM reads least, one block after another; nothing where each takes more
// than kMaxTurns, for which cuBLASLt is faster: 128 tokens by [128256, 4096] take it 391 us on an
// H100, and pairs 421.
template <int kParts>
std::optional<Division> divide(int64_t width, int num_rows) {
  constexpr int kMaxTurns = 2;
  const int num_sms = num_multiprocessors();
  std::optional<Division> best;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (size_t i = 0; i < kChoices<kParts>.size(); ++i) {
    const auto [groups, rows] = kChoices<kParts>[i];
    const int tokens = kGroupTokens * groups;
    const int tiles = std::bit_ceil(static_cast<unsigned>(ceil_div(num_rows, tokens)));
    // The blocks of a pair copy whole groups of eight lines.
    if (tiles > 1 && rows % 16 != 0) continue;
    const int64_t blocks = tiles * ceil_div<int64_t>(width, rows);
    const int64_t turns = ceil_div<int64_t>(blocks, num_sms);
    const int64_t lines = turns * (tokens + kParts * rows);
    if (turns > kMaxTurns || lines >= least) continue;
    least = lines;
    best = {.choice = i,
            .tiles = tiles,
            .turns = static_cast<int>(turns),
            .use = static_cast<double>(blocks) / static_cast<double>(turns * num_sms)};
  }
  return best;
}

template <typename T, int kGroups, int kRows, int kParts>
void launch(const SkinnyArgs<T>& args, int tiles, cudaStream_t stream) {
  using Shape = Tiling<kGroups, kRows, kParts>;
  const SkinnyProduct<T>& product = args.product;
  // As many to each block, and few lines past the last token: the copy engine takes longer for a
  // box that reaches far out of the matrix. On an H100, 100 tokens by [4096, 14336]: 43.5 us, with
  // boxes of 64 tokens 52.
  const int tile_tokens = ceil_div(product.num_rows, 8 * tiles) * 8;
  const int cluster = std::min(tiles, 2);
  const int num_stages =
      std::min(Shape::kMaxRing, ceil_div(product.in_features, Shape::kChunkFeatures));
  const int shared_bytes = std::max(num_stages * Shape::kStageBytes, SumRoom<Shape>::kBytes) + 1024;
  const auto kernel = skinny_pairs_kernel<T, Shape>;
  CUDA_CHECK(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  const PairArgs<T> pair = {
      .args = args,
      .cluster = cluster,
      .tile_tokens = tile_tokens,
      .num_stages = num_stages,
      .weight = tensor_map(product.weight, product.out_features, product.in_features,
                           Shape::kRows / cluster),
      .tokens = tensor_map(product.x, product.num_rows, product.in_features, tile_tokens)};
  const dim3 grid(static_cast<unsigned>(tiles),
                  static_cast<unsigned>(ceil_div(args.width, Shape::kRows)));
  launch_overlapped_clusters(kernel, grid, cluster, Shape::kThreads, shared_bytes, stream, pair);
}

template <typename T, int kParts, size_t... kIndices>
void launch(const SkinnyArgs<T>& args, const Division& division, cudaStream_t stream,
            std::index_sequence<kIndices...> /*of kChoices*/) {
  const auto launch_if_chosen = [&]<size_t kIndex>() {
    constexpr Choice kChoice = kChoices<kParts>[kIndex];
    if (division.choice != kIndex) return;
    launch<T, kChoice.groups, kChoice.rows, kParts>(args, division.tiles, stream);
  };
  (launch_if_chosen.template operator()<kIndices>(), ...);
}

// Whether products of so many rows are left to pairs of blocks. cuBLASLt's kernels begin when the
// one before has ended: few blocks that begin sooner are faster, but not a second turn that leaves
// many SMs without work.
template <int kParts>
bool suits_pairs(int64_t width, int num_rows) {
  constexpr double kEnoughUse = 0.8;
  const std::optional<Division> division = divide<kParts>(width, num_rows);
  return division && (division->turns == 1 || division->use >= kEnoughUse);
}

template <int kParts>
int max_rows(int64_t width) {
  if (suits_pairs<kParts>(width, 256)) return 256;
  return suits_pairs<kParts>(width, 128) ? 128 : 0;
}

}  // namespace

int max_pair_rows(int64_t width, int parts) {
  return parts == 2 ? max_rows<2>(width) : max_rows<1>(width);
}

template <typename T, int kParts>
void launch_pairs(const SkinnyArgs<T>& args, cudaStream_t stream) {
  const std::optional<Division> division = divide<kParts>(args.width, args.product.num_rows);
  check_precondition(division.has_value(), "pairs of blocks have no division for ",
                     args.product.num_rows, " rows and ", args.width,
                     " columns; see max_skinny_rows()");
  launch<T, kParts>(args, *division, stream, std::make_index_sequence<kChoices<kParts>.size()>());
}

template void launch_pairs<__half, 1>(const SkinnyArgs<__half>&, cudaStream_t);
template void launch_pairs<__half, 2>(const SkinnyArgs<__half>&, cudaStream_t);
template void launch_pairs<__nv_bfloat16, 1>(const SkinnyArgs<__nv_bfloat16>&, cudaStream_t);
template void launch_pairs<__nv_bfloat16, 2>(const SkinnyArgs<__nv_bfloat16>&, cudaStream_t);

}  // namespace eet::kernels
