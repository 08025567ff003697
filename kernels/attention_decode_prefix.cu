// Decode attention of rows that begin with the same pages, in fp16 and bf16 (compute capability
// 9.0a): first the shared pages, each read once for the queries of many rows, then the rows, each
// from the state that its part of the shared pages came to. A row's bits are those of the plain
// variant: the tiles of each of its warps make a chain of products here too, in the same order, and
// the queries of other rows are other rows of the products.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "kernels/attention_decode_prefix.cuh"
#include "kernels/skinny_gemm.h"

// For other GPUs the kernel has no body, which leaves what it is made of without a use.
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
#pragma nv_diag_suppress 177
#endif

namespace eet::kernels {
namespace {

// A column's place: in lane 4g + t of warp w of a warpgroup, h of 2 is column 16w + 8h + g.
__device__ __forceinline__ int column_of(int warp, int lane, int h) {
  return 16 * warp + 8 * h + lane / 4;
}

// Which lanes have columns of the same row as this lane's: there maxima are raised together.
class RowLanes {
 public:
  __device__ __forceinline__ RowLanes(int row_shift, int lane)
      : has_both_(row_shift == 4),
        mask_(row_shift >= 3
                  ? 0xFFFFFFFFU
                  : ((1U << (4 << row_shift)) - 1) << 4 * (lane / 4 >> row_shift << row_shift)) {}

  // exceeds: of the lane's columns. Makes it that of any of the row's.
  __device__ __forceinline__ void join(bool (&exceeds)[2]) const {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      exceeds[h] = (__ballot_sync(0xFFFFFFFFU, exceeds[h]) & mask_) != 0;
    }
    if (has_both_) exceeds[0] = exceeds[1] = exceeds[0] || exceeds[1];
  }

 private:
  bool has_both_;
  uint32_t mask_;
};

// The online softmax of a warpgroup's chains, WarpState of each, with rows and columns of the
// products exchanged.
template <typename T, int kDim>
struct ChainStates {
  static constexpr float kSlack = WarpState<T, kDim, 1>::kSlack;
  static constexpr int kScoreTiles = kChains * kTileTokens / 8;

  uint32_t queries[kDim / 16][4];
  float maximum[kChains][2];  // in use, of the lane's columns
  float sum[kChains][2][2];   // of tokens 2t + i and 2t + i + 8 of tiles
  // [j][2h + i]: dimension 8j + 2t + i.
  float values[kChains][kDim / 8][4];

  // room: as fill_queries() leaves it.
  __device__ __forceinline__ void take_queries(uint32_t room, int warp, int lane) {
    const int column = 16 * warp + lane % 16;
#pragma unroll
    for (int k = 0; k < kDim / 16; ++k) {
      load_matrices(queries[k],
                    room + 16 * (column * (kDim / 8) + ((2 * k + lane / 16) ^ column % 8)));
    }
  }

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int c = 0; c < kChains; ++c) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        maximum[c][h] = kNegativeInfinity;
        sum[c][h][0] = sum[c][h][1] = 0.0F;
      }
#pragma unroll
      for (int j = 0; j < kDim / 8; ++j) {
#pragma unroll
        for (int i = 0; i < 4; ++i) values[c][j][i] = 0.0F;
      }
    }
  }

  // Starts the scores of a tile of each chain, in two chains of products each as in
  // WarpState::score(): token 8j + 2t + i of both tiles in [j][2h + i].
  __device__ __forceinline__ void start_scores(float (&even)[kScoreTiles][4],
                                               float (&odd)[kScoreTiles][4], uint32_t keys) const {
#pragma unroll
    for (int j = 0; j < kScoreTiles; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) even[j][i] = odd[j][i] = 0.0F;
    }
    begin_products();
#pragma unroll
    for (int k = 0; k < kDim / 16; ++k) {
      const uint32_t chunk = keys + k / 4 * kPageChunkBytes + 32 * (k % 4);
      multiply<T, 8 * kScoreTiles, false>(k % 2 == 0 ? even : odd, queries[k],
                                          tile_descriptor(chunk / 16));
    }
    commit_products();
  }

  // Starts to add a tile of weighted values to a chain.
  __device__ __forceinline__ void start_values(int c, const uint32_t (&weights)[4], uint32_t tile) {
    begin_products();
    multiply<T, kDim, true>(values[c], weights, transposed_descriptor(tile / 16, kPageChunkBytes));
    commit_products();
  }

  // Adds a tile to each chain and makes the scores of those at `next`. While one chain's products
  // run, the other's scores become weights.
  __device__ __forceinline__ void step(float (&even)[kScoreTiles][4], float (&odd)[kScoreTiles][4],
                                       uint32_t values_tiles, uint32_t next, float scale_log2,
                                       const RowLanes& row) {
    float scores[kChains][2][4];
#pragma unroll
    for (int j = 0; j < kScoreTiles; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) scores[j / 2][j % 2][i] = even[j][i] + odd[j][i];
    }
    uint32_t weights[kChains][4];
    soften(weights[0], 0, scores[0], scale_log2, row);
    start_values(0, weights[0], values_tiles);
    start_scores(even, odd, next);
    soften(weights[1], 1, scores[1], scale_log2, row);
    start_values(1, weights[1], values_tiles + kChunkBytes);
    wait_products<0>();
  }

  // As WarpState::soften(), row by row, of a chain's tile.
  __device__ __forceinline__ void soften(uint32_t (&weights)[4], int c, const float (&scores)[2][4],
                                         float scale_log2, const RowLanes& row) {
    float peaks[2];
    bool exceeds[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      peaks[h] = kNegativeInfinity;
#pragma unroll
      for (int i = 2 * h; i < 2 * h + 2; ++i) {
        peaks[h] = fmaxf(peaks[h], fmaxf(scores[0][i], scores[1][i]) * scale_log2);
      }
      exceeds[h] = peaks[h] > maximum[c][h] + kSlack;
    }
    if (__any_sync(0xFFFFFFFFU, exceeds[0] || exceeds[1])) {
      row.join(exceeds);
      raise(c, peaks, exceeds);
    }
    weigh(weights, c, scores, scale_log2);
  }

  // Makes the scores' maxima the ones in use, where so told.
  __device__ __forceinline__ void raise(int c, const float (&peaks)[2], const bool (&raised)[2]) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float peak = peaks[h];
      peak = fmaxf(peak, __shfl_xor_sync(0xFFFFFFFFU, peak, 1));
      peak = fmaxf(peak, __shfl_xor_sync(0xFFFFFFFFU, peak, 2));
      if (!raised[h]) continue;
      const float new_maximum = fmaxf(maximum[c][h], peak);
      const float rescale = exp2_fast(maximum[c][h] - new_maximum);
      maximum[c][h] = new_maximum;
      sum[c][h][0] *= rescale;
      sum[c][h][1] *= rescale;
#pragma unroll
      for (int j = 0; j < kDim / 8; ++j) {
        values[c][j][2 * h] *= rescale;
        values[c][j][2 * h + 1] *= rescale;
      }
    }
  }

  // Turns a chain's scores into weights by the maxima in use.
  __device__ __forceinline__ void weigh(uint32_t (&weights)[4], int c, const float (&scores)[2][4],
                                        float scale_log2) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float weight[2][2];  // of tokens 8j + 2t + i
#pragma unroll
      for (int j = 0; j < 2; ++j) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          weight[j][i] = exp2_fast(fmaf(scores[j][2 * h + i], scale_log2, -maximum[c][h]));
        }
        weights[2 * j + h] = pack<T>(weight[j][0], weight[j][1]);
      }
#pragma unroll
      for (int i = 0; i < 2; ++i) sum[c][h][i] += weight[0][i] + weight[1][i];
    }
  }

  // The sum of all tokens of a chain, added in the order of WarpState::write().
  __device__ __forceinline__ float total(int c, int h) const {
    float all = sum[c][h][0] + sum[c][h][1];
    all += __shfl_xor_sync(0xFFFFFFFFU, all, 1);
    all += __shfl_xor_sync(0xFFFFFFFFU, all, 2);
    return all;
  }

  // Leaves a chain of one of the lane's columns for WarpState::load(). state: of its head.
  __device__ __forceinline__ void store(float* state, int c, int h, int lane) const {
    const int t = lane % 4;
    if (t == 0) state[kDim + 8] = maximum[c][h];
    auto* pairs = reinterpret_cast<float2*>(state) + t;
    pairs[kDim / 2] = make_float2(sum[c][h][0], sum[c][h][1]);
#pragma unroll
    for (int j = 0; j < kDim / 8; ++j) {
      pairs[4 * j] = make_float2(values[c][j][2 * h], values[c][j][2 * h + 1]);
    }
  }
};

// A warp with columns takes 224 registers, of the 168 of each warp of a full block.
__device__ __forceinline__ void take_registers() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("setmaxnreg.inc.sync.aligned.u32 232;\n");
#endif
}
__device__ __forceinline__ void give_registers() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("setmaxnreg.dec.sync.aligned.u32 40;\n");
#endif
}

// Of the warps with columns.
__device__ __forceinline__ void sync_columns() {
  asm volatile("bar.sync 1, %0;\n" ::"n"(32 * kWarps) : "memory");
}

// The queries of the item's rows, as QueryRoom has those of one row.
template <typename T, int kDim>
__device__ __forceinline__ void fill_queries(uint4* room, const PrefixArgs<T>& args,
                                             const PrefixItem<kDim>& item) {
  constexpr int kHeadPieces = kDim / 8;
  const DecodeArgs<T>& decode = args.decode;
#pragma unroll
  for (int i = static_cast<int>(threadIdx.x); i < kPrefixColumns * kHeadPieces; i += 32 * kWarps) {
    const int column = i / kHeadPieces;
    const int piece = i % kHeadPieces;
    const int index = column >> args.row_shift;
    const int head = column - (index << args.row_shift);
    uint4 queries = make_uint4(0, 0, 0, 0);
    // A row that has ended has no newest token.
    if (index < item.num_rows && head < decode.group && item.context_lens[index] > 0) {
      const DecodeWork row = item.row(index, decode.group);
      const T* q =
          decode.qkv + row.row * qkv_stride(decode.heads) + queries_offset(row, kDim) + head * kDim;
      queries = load_piece(q, 8 * piece, kDim,
                           turn_of(decode, row, PlainRules{}, row.context_len - 1, kDim));
    }
    room[column * kHeadPieces + (piece ^ column % 8)] = queries;
  }
}

// Leaves the states of rows that are not done.
template <typename T, int kDim>
__device__ __forceinline__ void leave_states(const ChainStates<T, kDim>& state,
                                             const PrefixArgs<T>& args,
                                             const PrefixItem<kDim>& item, int group, int warp,
                                             int lane) {
  const int heads = args.decode.group;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int column = column_of(warp, lane, h);
    const int index = column >> args.row_shift;
    const int head = column - (index << args.row_shift);
    if (index >= item.num_rows || head >= heads) continue;
    const DecodeWork row = item.row(index, heads);
    if (row.split >= row.num_splits || item.is_done(row)) continue;
#pragma unroll
    for (int c = 0; c < kChains; ++c) {
      float* states = args.rules.state_of(args.decode, row, kChains * group + c);
      state.store(states + head * prefix_state_stride(kDim), c, h, lane);
    }
  }
}

// Joins the chains of rows that are done and stores them, with the arithmetic of merge_head(): the
// first warpgroup adds up its chains, and the second goes on from there. room: of the queries,
// which all have taken; stats: [kPrefixColumns, kDecodeWarps].
template <typename T, int kDim>
__device__ __forceinline__ void store_done(const ChainStates<T, kDim>& state,
                                           const PrefixArgs<T>& args, const PrefixItem<kDim>& item,
                                           float4* room, float2* stats, int group, int warp,
                                           int lane) {
  const DecodeArgs<T>& decode = args.decode;
#pragma unroll
  for (int c = 0; c < kChains; ++c) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float total = state.total(c, h);
      if (lane % 4 != 0) continue;
      stats[column_of(warp, lane, h) * kDecodeWarps + kChains * group + c] =
          make_float2(state.maximum[c][h], total);
    }
  }
  sync_columns();
  float weights[2][kChains];
  int64_t partials[2];  // places of the results; -1: there is nothing to store
  float2 joined[2];
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int column = column_of(warp, lane, h);
    const float2* parts = stats + column * kDecodeWarps;
    float maximum = kNegativeInfinity;
#pragma unroll
    for (int w = 0; w < kDecodeWarps; ++w) maximum = fmaxf(maximum, parts[w].x);
    float sum = 0.0F;
#pragma unroll
    for (int w = 0; w < kDecodeWarps; ++w) {
      sum = fmaf(exp2_fast(parts[w].x - maximum), parts[w].y, sum);
    }
#pragma unroll
    for (int c = 0; c < kChains; ++c) {
      weights[h][c] = exp2_fast(parts[kChains * group + c].x - maximum);
    }
    joined[h] = make_float2(maximum, sum);
    partials[h] = -1;
    const int index = column >> args.row_shift;
    const int head = column - (index << args.row_shift);
    if (index >= item.num_rows || head >= decode.group) continue;
    const DecodeWork row = item.row(index, decode.group);
    if (row.split >= row.num_splits || !item.is_done(row)) continue;
    partials[h] = head_index(decode, row, head) * decode.max_splits + row.split;
  }
  constexpr int kHalf = kDim / 16;  // of the values' tiles of 8 dimensions
  float4* mine = room + 32 * warp + lane;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (half > 0) sync_columns();  // the half before has been taken
    if (group > 0) sync_columns();
#pragma unroll
    for (int j = half * kHalf; j < (half + 1) * kHalf; ++j) {
      float4& place = mine[j % kHalf * kGroupThreads];
      float4 sums = group > 0 ? place : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
#pragma unroll
      for (int c = 0; c < kChains; ++c) {
        sums.x = fmaf(weights[0][c], state.values[c][j][0], sums.x);
        sums.y = fmaf(weights[0][c], state.values[c][j][1], sums.y);
        sums.z = fmaf(weights[1][c], state.values[c][j][2], sums.z);
        sums.w = fmaf(weights[1][c], state.values[c][j][3], sums.w);
      }
      if (group == 0) {
        place = sums;
        continue;
      }
      float* values = decode.partial_values + 8 * j + 2 * (lane % 4);
      if (partials[0] >= 0) {
        *reinterpret_cast<float2*>(values + partials[0] * kDim) = make_float2(sums.x, sums.y);
      }
      if (partials[1] >= 0) {
        *reinterpret_cast<float2*>(values + partials[1] * kDim) = make_float2(sums.z, sums.w);
      }
    }
    if (group == 0) sync_columns();
  }
  if (group == 0 || lane % 4 != 0) return;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    if (partials[h] >= 0) decode.partial_stats[partials[h]] = joined[h];
  }
}

template <typename T, int kDim>
__global__ void __launch_bounds__(kThreads, 1)
    decode_prefix_kernel(const __grid_constant__ PrefixArgs<T> args) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  extern __shared__ __align__(1024) uint4 shared[];  // as the copies' swizzle wants it
  __shared__ Pipeline<kDim> pipeline;
  __shared__ float2 stats[kPrefixColumns * kDecodeWarps];
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % 32;
  const uint32_t stages = shared_address(shared);
  uint4* room = shared + stages_bytes(kDim) / static_cast<int>(sizeof(uint4));
  if (thread == 0) pipeline.init();
  __syncthreads();
  if (thread / 32 >= kWarps) {
    give_registers();
    // Of what is older than the kernel before.
    if (thread / 32 == kWarps) Bringer<T, kDim>(pipeline, stages, args, lane).run();
    wait_for_previous_kernel();
    return;
  }
  take_registers();
  wait_for_previous_kernel();

  // The same in all lanes, and known to be: descriptors are made in uniform registers.
  const int group = __shfl_sync(0xFFFFFFFFU, thread / kGroupThreads, 0);
  const int warp = thread % kGroupThreads / 32;
  const int first_tiles = kChains * group * kChunkBytes;
  constexpr int kHalf = Pipeline<kDim>::kHalf;
  constexpr int kNextTiles = kDecodeWarps * kChunkBytes;
  const RowLanes row_lanes(args.row_shift, lane);
  const float scale_log2 = args.decode.heads.scale * kLog2E;
  ChainStates<T, kDim> state;
  int num_pages = 0;
#pragma unroll 1
  for (int i = 0;; ++i) {
    const int place = i % Pipeline<kDim>::kItems;
    wait_for(&pipeline.item_ready[place], i / Pipeline<kDim>::kItems % 2);
    const PrefixItem<kDim>& item = pipeline.items[place];
    if (item.num_rows == 0) return;
    if (item.is_first) {
      sync_columns();  // nobody reads the room
      fill_queries<T, kDim>(room, args, item);
      sync_columns();
      state.take_queries(shared_address(room), warp, lane);
    }
    state.clear();
    float even[ChainStates<T, kDim>::kScoreTiles][4];
    float odd[ChainStates<T, kDim>::kScoreTiles][4];
    uint32_t tiles = pipeline.wait_for_page(stages, num_pages) + first_tiles;
    state.start_scores(even, odd, tiles);
    wait_products<0>();
    const int pages_end = num_pages + item.num_pages;
#pragma unroll 1
    while (num_pages < pages_end) {
      state.step(even, odd, tiles + kHalf, tiles + kNextTiles, scale_log2, row_lanes);
      // Behind the last page its scores once more, which nobody reads: a branch would part the
      // products.
      const int page = num_pages++;
      const uint32_t next =
          pipeline.wait_for_page(stages, min(num_pages, pages_end - 1)) + first_tiles;
      state.step(even, odd, tiles + kHalf + kNextTiles, next, scale_log2, row_lanes);
      tiles = next;
      pipeline.leave_page(page, lane);
    }
    leave_states(state, args, item, group, warp, lane);
    if (item.has_done) {
      store_done(state, args, item, reinterpret_cast<float4*>(room), stats, group, warp, lane);
    }
    __syncwarp();
    if (lane == 0) arrive(&pipeline.item_done[place]);
  }
#endif
}

template <typename T, int kDim>
void launch(const DecodeArgs<T>& args, const SharedPrefixes& prefixes, float* states, dim3 grid,
            cudaStream_t stream) {
  const PrefixRules rules{{}, prefixes.pages, states};
  PrefixArgs<T> prefix_args = {.decode = args,
                               .maps = page_maps(args.kv, args.heads, kPageSize),
                               .prefixes = prefixes,
                               .rules = rules,
                               .row_shift = 0};
  while (1 << prefix_args.row_shift < args.group) ++prefix_args.row_shift;
  const auto prefix_kernel = decode_prefix_kernel<T, kDim>;
  CUDA_CHECK(cudaFuncSetAttribute(prefix_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  shared_bytes(kDim)));
  const int num_blocks = std::min(static_cast<int>(grid.x) * args.max_splits * prefixes.num_groups,
                                  num_multiprocessors());
  launch_overlapped(prefix_kernel, num_blocks, kThreads, shared_bytes(kDim), stream, prefix_args);
  // Of splits, those that no row has left to itself.
  grid.z =
      static_cast<unsigned>(std::max(1, args.max_splits - prefixes.least_pages / kPagesPerSplit));
  const auto row_kernel = args.group <= 8 ? decode_mma_kernel<T, kDim, 1, true, PrefixRules>
                                          : decode_mma_kernel<T, kDim, 2, true, PrefixRules>;
  launch_decode_kernel<T, kDim>(row_kernel, args, rules, grid, stream);
}

}  // namespace

bool suits_decode_prefix(const AttentionHeads& heads) {
  const bool has_shape = (heads.head_dim == 64 || heads.head_dim == 128) &&
                         heads.num_heads <= kMaxPlainGroup * heads.num_kv_heads;
  return has_shape && is_hopper();
}

template <typename T>
void launch_decode_prefix(const DecodeArgs<T>& args, const SharedPrefixes& prefixes, float* states,
                          dim3 grid, cudaStream_t stream) {
  (args.heads.head_dim == 64 ? launch<T, 64> : launch<T, 128>)(args, prefixes, states, grid,
                                                               stream);
}

template void launch_decode_prefix(const DecodeArgs<__half>&, const SharedPrefixes&, float*, dim3,
                                   cudaStream_t);
template void launch_decode_prefix(const DecodeArgs<__nv_bfloat16>&, const SharedPrefixes&, float*,
                                   dim3, cudaStream_t);

}  // namespace eet::kernels
