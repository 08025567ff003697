// Decode attention of rows that begin with the same pages, in fp16 and bf16 (compute capability
// 9.0): first the shared pages, each read once for the queries of many rows, then the rows, each
// from the state that its part of the shared pages came to. A row's bits are those of the plain
// variant: the same warps take the same tiles in the same order, and the queries of other rows are
// other columns of the products.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "kernels/attention_decode_mma.cuh"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
#pragma nv_diag_suppress 177  // what is unused where there are no bulk copies
#endif

namespace eet::kernels {
namespace {

// A warp has every fourth tile of a page, as in the plain variant, for 16 of the columns.
constexpr int kHeadTiles = 2;
constexpr int kWarpColumns = 8 * kHeadTiles;
constexpr int kWarps = kDecodeWarps * kPrefixColumns / kWarpColumns;
// Behind those are four warps, of which the first finds work and brings pages: four, since
// registers are given to and taken from as many.
constexpr int kThreads = 32 * (kWarps + 4);
constexpr int kPagesPerSplit = kMinPagesPerSplit;
constexpr int kTilesPerWarp = kPageSize / kTileTokens / kDecodeWarps;  // of a page
constexpr int kPageChunkBytes = 128 * kPageSize;                       // 64 dimensions of a page
static_assert(kMaxPrefixContext <= kPagesPerSplit * kPageSize * kMaxSplits);

// A stage holds the keys and the values of a page.
__host__ __device__ constexpr int half_stage_bytes(int head_dim) {
  return head_dim / 64 * kPageChunkBytes;
}
__host__ __device__ constexpr int num_stages(int head_dim) {
  return head_dim == 64 ? 4 : 3;
}
__host__ __device__ constexpr int stages_bytes(int head_dim) {
  return num_stages(head_dim) * 2 * half_stage_bytes(head_dim);
}
constexpr int shared_bytes(int head_dim) {
  return stages_bytes(head_dim) + kPrefixColumns * head_dim * 2;
}

template <typename T>
struct PrefixArgs {
  DecodeArgs<T> decode;
  PageMaps maps;  // boxes of a page
  SharedPrefixes prefixes;
  PrefixRules rules;
  int row_shift;  // a row has 2^row_shift columns
  int num_items;  // with those that have no rows or pages
};

// A split of a group's shared pages, of one key head. A block computes one after another, and its
// last warp finds them and brings their pages ahead of the others.
template <int kDim>
struct PrefixItem {
  int num_rows;  // 0: there are no more
  int num_pages;
  int kv_head;
  int split;
  bool has_done;  // rows whose split ends with the shared pages
  int rows[kPrefixColumns];
  int context_lens[kPrefixColumns];

  // That of the index-th row.
  __device__ __forceinline__ DecodeWork row(int index, int group) const {
    DecodeWork work;
    work.kv_head = kv_head;
    work.row = rows[index];
    work.split = split;
    work.group = group;
    work.pages = nullptr;
    set_context(work, context_lens[index]);
    return work;
  }
  __device__ __forceinline__ bool is_done(const DecodeWork& work) const {
    return PrefixRules::is_done(work, (split * kPagesPerSplit + num_pages) * kPageSize);
  }
};

// Items and pages on their way from the last warp to the others. Barriers are in their n-th phase
// when an item or a page is the n-th in its place.
template <int kDim>
struct Pipeline {
  static constexpr int kStages = num_stages(kDim);
  static constexpr int kHalf = half_stage_bytes(kDim);
  static constexpr int kItems = 2;

  PrefixItem<kDim> items[kItems];
  uint64_t item_ready[kItems];
  uint64_t item_done[kItems];  // by all warps
  uint64_t page_ready[kStages];
  uint64_t page_done[kStages];  // by all warps

  // One thread's work.
  __device__ __forceinline__ void init() {
    for (int i = 0; i < kItems; ++i) {
      init_barrier(&item_ready[i], 1);
      init_barrier(&item_done[i], kWarps);
    }
    for (int i = 0; i < kStages; ++i) {
      init_barrier(&page_ready[i], 1);
      init_barrier(&page_done[i], kWarps);
    }
    publish_barriers();
  }

  __device__ __forceinline__ void wait_until_done(int item) {
    wait_for(&item_done[item % kItems], item / kItems % 2);
  }

  // The `count`th page, which all lanes of the last warp call this for; lane 0 starts its copy.
  __device__ __forceinline__ void start_page(uint32_t stages, const PageMaps& maps, int kv_head,
                                             int page, int count, int lane) {
    const int stage = count % kStages;
    if (count >= kStages) wait_for(&page_done[stage], (count / kStages - 1) % 2);
    if (lane != 0) return;
    const uint32_t keys = stages + stage * 2 * kHalf;
    expect_bytes(&page_ready[stage], 2 * kHalf);
    copy_box(keys, maps.keys, 0, kv_head * kPageSize, 0, page, &page_ready[stage]);
    copy_box(keys + kHalf, maps.values, 0, kv_head * kPageSize, 0, page, &page_ready[stage]);
  }

  // Returns the place of the keys of the `count`th page, which its values follow.
  __device__ __forceinline__ uint32_t wait_for_page(uint32_t stages, int count) {
    const int stage = count % kStages;
    wait_for(&page_ready[stage], count / kStages % 2);
    return stages + stage * 2 * kHalf;
  }
  __device__ __forceinline__ void leave_page(int count, int lane) {
    __syncwarp();
    if (lane == 0) arrive(&page_done[count % kStages]);
  }
};

// The last warp's work.
template <typename T, int kDim>
__device__ void bring_items(Pipeline<kDim>& pipeline, uint32_t stages, const PrefixArgs<T>& args,
                            int lane) {
  const SharedPrefixes& prefixes = args.prefixes;
  const PagedKv<T>& kv = args.decode.kv;
  const int num_kv_heads = args.decode.heads.num_kv_heads;
  int num_items = 0;
  int num_pages = 0;
  bool has_done = false;  // the item before
  for (int index = static_cast<int>(blockIdx.x); index < args.num_items;
       index += static_cast<int>(gridDim.x)) {
    const int group = index / num_kv_heads % prefixes.num_groups;
    const int split = index / num_kv_heads / prefixes.num_groups;
    const int first = prefixes.starts[group];
    const int num_rows = prefixes.starts[group + 1] - first;
    if (num_rows == 0) continue;
    const int leader = prefixes.rows[first];
    const int pages_left = prefixes.pages[leader] - split * kPagesPerSplit;
    if (pages_left <= 0) continue;

    if (num_items >= Pipeline<kDim>::kItems) {
      pipeline.wait_until_done(num_items - Pipeline<kDim>::kItems);
    }
    PrefixItem<kDim>& item = pipeline.items[num_items % Pipeline<kDim>::kItems];
    if (lane == 0) {
      item.num_rows = num_rows;
      item.num_pages = min(pages_left, kPagesPerSplit);
      item.kv_head = index % num_kv_heads;
      item.split = split;
    }
    for (int i = lane; i < num_rows; i += 32) {
      item.rows[i] = prefixes.rows[first + i];
      item.context_lens[i] = kv.context_lens[item.rows[i]];
    }
    const int32_t* pages = row_pages(kv, leader) + split * kPagesPerSplit;
    const int page_of_lane = lane < min(pages_left, kPagesPerSplit) ? pages[lane] : 0;
    __syncwarp();
    bool is_any_done = false;
    for (int i = lane; i < num_rows; i += 32) {
      is_any_done = is_any_done || item.is_done(item.row(i, args.decode.group));
    }
    is_any_done = __any_sync(0xFFFFFFFFU, is_any_done);
    if (lane == 0) {
      item.has_done = is_any_done;
      arrive(&pipeline.item_ready[num_items % Pipeline<kDim>::kItems]);
    }
    // Where the stages are the place in which warps meet, pages wait.
    if (has_done) pipeline.wait_until_done(num_items - 1);
    has_done = is_any_done;
    for (int i = 0; i < min(pages_left, kPagesPerSplit); ++i) {
      pipeline.start_page(stages, args.maps, index % num_kv_heads,
                          __shfl_sync(0xFFFFFFFFU, page_of_lane, i), num_pages++, lane);
    }
    ++num_items;
  }
  if (num_items >= Pipeline<kDim>::kItems) {
    pipeline.wait_until_done(num_items - Pipeline<kDim>::kItems);
  }
  if (lane == 0) {
    pipeline.items[num_items % Pipeline<kDim>::kItems].num_rows = 0;
    arrive(&pipeline.item_ready[num_items % Pipeline<kDim>::kItems]);
  }
}

// Which lanes and which of their columns belong to the same row as this lane's, where maxima are
// raised together.
class RowLanes {
 public:
  __device__ __forceinline__ RowLanes(int row_shift, int lane) : row_shift_(row_shift) {
    const int pair = lane % 4;
    mask_ = row_shift <= 1   ? 0x11111111U << pair
            : row_shift == 2 ? 0x33333333U << (pair & 2)
                             : 0xFFFFFFFFU;
  }

  // exceeds: of columns 8n + 2 * (lane % 4) + i. Makes it that of any of the row's.
  __device__ __forceinline__ void join(bool (&exceeds)[kHeadTiles][2]) const {
    bool any[kHeadTiles][2];
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        any[n][i] = (__ballot_sync(0xFFFFFFFFU, exceeds[n][i]) & mask_) != 0;
      }
    }
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        exceeds[n][i] = any[n][i];
        if (row_shift_ >= 1) exceeds[n][i] |= any[n][1 - i];
        if (row_shift_ == 4) exceeds[n][i] |= any[1 - n][0] || any[1 - n][1];
      }
    }
  }

 private:
  int row_shift_;
  uint32_t mask_;
};

// As LanePlaces, with fewer registers and more instructions.
class PagePlaces {
 public:
  __device__ __forceinline__ explicit PagePlaces(int lane)
      : key_(16 * place(lane / 8 % 2 * 8 + lane % 8, lane / 16)),
        value_(16 * place(lane / 16 * 8 + lane % 8, lane / 8 % 2)) {}
  __device__ __forceinline__ uint32_t key(int k) const {
    return (key_ ^ 32 * (k % 4)) + k / 4 * kPageChunkBytes;
  }
  __device__ __forceinline__ uint32_t value(int k) const {
    return (value_ ^ 32 * (k % 4)) + k / 4 * kPageChunkBytes;
  }

 private:
  uint32_t key_;
  uint32_t value_;
};

template <typename T, int kDim>
struct PrefixState : WarpState<T, kDim, kHeadTiles> {
  using Base = WarpState<T, kDim, kHeadTiles>;

  // As WarpState::soften(), row by row.
  __device__ __forceinline__ void soften(uint32_t (&weights)[kHeadTiles][2],
                                         const float (&scores)[kHeadTiles][4], float scale_log2,
                                         const RowLanes& row) {
    bool exceeds[kHeadTiles][2];
    bool any = false;
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float peak = fmaxf(scores[n][i], scores[n][2 + i]) * scale_log2;
        exceeds[n][i] = peak > this->maximum[n][i] + Base::kSlack;
        any = any || exceeds[n][i];
      }
    }
    if (__any_sync(0xFFFFFFFFU, any)) {
      row.join(exceeds);
      this->raise_some(scores, scale_log2, [&](int n, int i) { return exceeds[n][i]; });
    }
    this->weigh(weights, scores, scale_log2);
  }

  // Leaves column 8n + 2 * (lane % 4) + i for WarpState::load(). state: of its head.
  __device__ __forceinline__ void store(float* state, int n, int i, int lane) const {
    if (lane < 4) state[kDim + 8] = this->maximum[n][i];
    state[kDim + lane / 4] = this->sum[n][i];
    auto* parts = reinterpret_cast<float4*>(state + lane / 4 * (kDim / 8));
#pragma unroll
    for (int k = 0; k < kDim / 16; k += 2) {
      parts[k / 2] = make_float4(this->values[k][n][i], this->values[k][n][2 + i],
                                 this->values[k + 1][n][i], this->values[k + 1][n][2 + i]);
    }
  }
};

// A warp with columns of heads of 128 takes 152 registers, of the 128 of each warp of a full block.
__device__ __forceinline__ void take_registers() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("setmaxnreg.inc.sync.aligned.u32 152;\n");
#endif
}
__device__ __forceinline__ void give_registers() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("setmaxnreg.dec.sync.aligned.u32 56;\n");
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
#pragma unroll 2
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

// Leaves what a warp has of an item: in `merged` and `stats`, [rows, kDecodeWarps, group], of rows
// that are done, and as a state of the others.
template <typename T, int kDim>
__device__ __forceinline__ void leave_results(const PrefixState<T, kDim>& state,
                                              const PrefixArgs<T>& args,
                                              const PrefixItem<kDim>& item, float* merged,
                                              float2* stats, int warp, int first_column, int lane) {
  const int group = args.decode.group;
#pragma unroll
  for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      float total = state.sum[n][i];
#pragma unroll
      for (int offset = 4; offset < 32; offset *= 2) {
        total += __shfl_xor_sync(0xFFFFFFFFU, total, offset);
      }
      const int column = first_column + 8 * n + 2 * (lane % 4) + i;
      const int index = column >> args.row_shift;
      const int head = column - (index << args.row_shift);
      if (index >= item.num_rows || head >= group) continue;
      const DecodeWork row = item.row(index, group);
      if (row.split >= row.num_splits) continue;
      if (!item.is_done(row)) {
        float* states = args.rules.state_of(args.decode, row, warp);
        state.store(states + head * prefix_state_stride(kDim), n, i, lane);
        continue;
      }
      const int place = (index * kDecodeWarps + warp) * group + head;
      if (lane < 4) stats[place] = make_float2(state.maximum[n][i], total);
      float* to = merged + place * merged_stride(kDim) + lane / 4;
#pragma unroll
      for (int k = 0; k < kDim / 16; ++k) {
        to[16 * k] = state.values[k][n][i];
        to[16 * k + 8] = state.values[k][n][2 + i];
      }
    }
  }
}

// Joins what the warps left of rows that are done.
template <typename T, int kDim>
__device__ __forceinline__ void merge_done(const PrefixArgs<T>& args, const PrefixItem<kDim>& item,
                                           const float* merged, const float2* stats) {
  const int group = args.decode.group;
  for (int i = static_cast<int>(threadIdx.x) / 32; i < item.num_rows * group; i += kWarps) {
    const DecodeWork row = item.row(i / group, group);
    if (row.split >= row.num_splits || !item.is_done(row)) continue;
    const int place = i / group * kDecodeWarps * group;
    merge_head(args.decode, PlainRules{}, row, i % group, merged + place * merged_stride(kDim),
               stats + place, group);
  }
}

template <typename T, int kDim>
__global__ void __launch_bounds__(kThreads, 1)
    decode_prefix_kernel(const __grid_constant__ PrefixArgs<T> args) {
  if constexpr (kHasBulkCopies) {
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
      if constexpr (kDim > 64) give_registers();
      // Of what is older than the kernel before.
      if (thread / 32 == kWarps) bring_items(pipeline, stages, args, lane);
      wait_for_previous_kernel();
      return;
    }
    if constexpr (kDim > 64) take_registers();
    wait_for_previous_kernel();

    const int warp = thread / 32 % kDecodeWarps;
    const int first_column = thread / kDecodeThreads * kWarpColumns;
    const PagePlaces places(lane);
    const RowLanes row_lanes(args.row_shift, lane);
    const float scale_log2 = args.decode.heads.scale * kLog2E;
    int num_pages = 0;
#pragma unroll 1
    for (int i = 0;; ++i) {
      const int place = i % Pipeline<kDim>::kItems;
      wait_for(&pipeline.item_ready[place], i / Pipeline<kDim>::kItems % 2);
      const PrefixItem<kDim>& item = pipeline.items[place];
      if (item.num_rows == 0) return;
      sync_columns();  // all have taken the queries before
      fill_queries<T, kDim>(room, args, item);
      sync_columns();
      PrefixState<T, kDim> state;
      state.init(shared_address(room + first_column * (kDim / 8)), lane);
#pragma unroll 1
      for (int page = 0; page < item.num_pages; ++page) {
        const uint32_t keys = pipeline.wait_for_page(stages, num_pages);
#pragma unroll 1
        for (int t = 0; t < kTilesPerWarp; ++t) {
          const uint32_t tile = keys + (t * kDecodeWarps + warp) * kChunkBytes;
          float scores[kHeadTiles][4];
          state.score(scores, tile, places, kDim);
          uint32_t weights[kHeadTiles][2];
          state.soften(weights, scores, scale_log2, row_lanes);
          state.accumulate(weights, tile + Pipeline<kDim>::kHalf, places, kDim);
        }
        pipeline.leave_page(num_pages++, lane);
      }
      // Where rows are done the stages become the place in which the warps meet.
      float* merged = reinterpret_cast<float*>(shared);
      if (item.has_done) sync_columns();
      leave_results(state, args, item, merged, stats, warp, first_column, lane);
      if (item.has_done) {
        sync_columns();
        merge_done(args, item, merged, stats);
      }
      __syncwarp();
      if (lane == 0) arrive(&pipeline.item_done[place]);
    }
  }
}

template <typename T, int kDim>
void launch(const DecodeArgs<T>& args, const SharedPrefixes& prefixes, float* states, dim3 grid,
            cudaStream_t stream) {
  const PrefixRules rules{{}, prefixes.pages, states};
  PrefixArgs<T> prefix_args = {
      .decode = args,
      .maps = page_maps(args.kv, args.heads, kPageSize),
      .prefixes = prefixes,
      .rules = rules,
      .row_shift = 0,
      .num_items = static_cast<int>(grid.x * grid.z) * prefixes.num_groups};
  while (1 << prefix_args.row_shift < args.group) ++prefix_args.row_shift;
  const auto prefix_kernel = decode_prefix_kernel<T, kDim>;
  CUDA_CHECK(cudaFuncSetAttribute(prefix_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  shared_bytes(kDim)));
  const int num_blocks = std::min(prefix_args.num_items, num_multiprocessors());
  launch_overlapped(prefix_kernel, num_blocks, kThreads, shared_bytes(kDim), stream, prefix_args);
  const auto row_kernel = args.group <= 8 ? decode_mma_kernel<T, kDim, 1, true, PrefixRules>
                                          : decode_mma_kernel<T, kDim, 2, true, PrefixRules>;
  launch_decode_kernel<T, kDim>(row_kernel, args, rules, grid, stream);
}

}  // namespace

bool suits_decode_prefix(const AttentionHeads& heads) {
  const bool has_shape = (heads.head_dim == 64 || heads.head_dim == 128) &&
                         heads.num_heads <= kMaxPlainGroup * heads.num_kv_heads;
  return has_shape && is_hopper_code(decode_prefix_kernel<__nv_bfloat16, 128>);
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
