// How attention_decode_prefix.cu's blocks come to their work and its pages: one warp finds the
// splits and copies their pages to a ring of stages, ahead of the warps that compute.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/attention_decode_mma.cuh"
#include "kernels/hopper.cuh"

namespace eet::kernels {

// A warpgroup has the chains of two warps of the plain variant, that is two neighbouring tiles of
// every four, for all columns, which are the rows of its products.
inline constexpr int kGroupThreads = 128;
inline constexpr int kChains = 2;
inline constexpr int kGroups = kDecodeWarps / kChains;
inline constexpr int kWarps = kGroups * kGroupThreads / 32;
static_assert(kPrefixColumns == 64);
// Behind those is a warpgroup of which one warp finds work and brings pages: a whole one, since
// registers are given to and taken from as many warps.
inline constexpr int kThreads = 32 * kWarps + kGroupThreads;
inline constexpr int kPagesPerSplit = kPrefixSplitPages;
static_assert(kPagesPerSplit == kMinPagesPerSplit);
inline constexpr int kTilesPerChain = kPageSize / kTileTokens / kDecodeWarps;  // of a page
inline constexpr int kPageChunkBytes = 128 * kPageSize;  // 64 dimensions of a page
static_assert(kTilesPerChain == 2);
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
};

// A split of a group's shared pages, of one key head. A block computes as many as any other, one
// after another in the order of groups, key heads and splits, so that most have the queries of the
// one before. One more warp finds them and brings their pages ahead of the others.
template <int kDim>
struct PrefixItem {
  int num_rows;  // 0: there are no more
  int num_pages;
  int kv_head;
  int split;
  bool has_done;  // there are rows whose split ends with the shared pages
  bool is_first;  // others before it had other rows or another key head
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
    work.context_len = context_lens[index];
    set_split(work, 0);
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

// The splits of a group's shared pages.
__device__ __forceinline__ int splits_of_group(const SharedPrefixes& prefixes, int group) {
  if (group >= prefixes.num_groups) return 0;
  const int first = prefixes.starts[group];
  if (first == prefixes.starts[group + 1]) return 0;
  return ceil_div(prefixes.pages[prefixes.rows[first]], kPagesPerSplit);
}

// The work of the warp that brings pages: item by item, by all lanes.
template <typename T, int kDim>
class Bringer {
 public:
  __device__ __forceinline__ Bringer(Pipeline<kDim>& pipeline, uint32_t stages,
                                     const PrefixArgs<T>& args, int lane)
      : pipeline_(pipeline), stages_(stages), args_(args), lane_(lane) {}

  __device__ __forceinline__ void run() {
    const int num_kv_heads = args_.decode.heads.num_kv_heads;
    for (int left = seek(); left > 0; --left) {
      bring();
      is_first_ = false;
      if (++split_ < num_splits_) continue;
      is_first_ = true;
      split_ = 0;
      if (++kv_head_ < num_kv_heads) continue;
      kv_head_ = 0;
      if (left == 1) break;
      do {
        num_splits_ = splits_of_group(args_.prefixes, ++group_);
      } while (num_splits_ == 0);
    }
    PrefixItem<kDim>& last = next_place();
    if (lane_ == 0) {
      last.num_rows = 0;
      arrive(&pipeline_.item_ready[num_items_ % Pipeline<kDim>::kItems]);
    }
  }

 private:
  // Goes to the block's first item. Returns how many it has.
  __device__ __forceinline__ int seek() {
    const SharedPrefixes& prefixes = args_.prefixes;
    const int num_kv_heads = args_.decode.heads.num_kv_heads;
    int num_items = 0;  // of all blocks
    for (int base = 0; base < prefixes.num_groups; base += 32) {
      num_items += __reduce_add_sync(0xFFFFFFFFU, splits_of_group(prefixes, base + lane_));
    }
    num_items *= num_kv_heads;
    const int share = ceil_div(num_items, static_cast<int>(gridDim.x));
    const int begin = static_cast<int>(blockIdx.x) * share;
    int before = 0;  // items of the groups before
    for (int base = 0; begin < num_items; base += 32) {
      const int splits_of_lane = splits_of_group(prefixes, base + lane_);
      for (int i = 0; i < 32; ++i) {
        group_ = base + i;
        num_splits_ = __shfl_sync(0xFFFFFFFFU, splits_of_lane, i);
        if (begin < before + num_splits_ * num_kv_heads) {
          kv_head_ = (begin - before) / num_splits_;
          split_ = (begin - before) % num_splits_;
          return min(share, num_items - begin);
        }
        before += num_splits_ * num_kv_heads;
      }
    }
    return 0;
  }

  __device__ __forceinline__ PrefixItem<kDim>& next_place() {
    if (num_items_ >= Pipeline<kDim>::kItems) {
      pipeline_.wait_until_done(num_items_ - Pipeline<kDim>::kItems);
    }
    return pipeline_.items[num_items_ % Pipeline<kDim>::kItems];
  }

  __device__ __forceinline__ void bring() {
    const SharedPrefixes& prefixes = args_.prefixes;
    const PagedKv<T>& kv = args_.decode.kv;
    const int first = prefixes.starts[group_];
    const int num_rows = prefixes.starts[group_ + 1] - first;
    const int leader = prefixes.rows[first];
    const int num_pages = min(prefixes.pages[leader] - split_ * kPagesPerSplit, kPagesPerSplit);
    PrefixItem<kDim>& item = next_place();
    if (lane_ == 0) {
      item.num_rows = num_rows;
      item.num_pages = num_pages;
      item.kv_head = kv_head_;
      item.split = split_;
      item.is_first = is_first_;
    }
    for (int i = lane_; i < num_rows; i += 32) {
      item.rows[i] = prefixes.rows[first + i];
      item.context_lens[i] = kv.context_lens[item.rows[i]];
    }
    const int32_t* pages = row_pages(kv, leader) + split_ * kPagesPerSplit;
    const int page_of_lane = lane_ < num_pages ? pages[lane_] : 0;
    __syncwarp();
    bool has_done = false;
    for (int i = lane_; i < num_rows; i += 32) {
      has_done = has_done || item.is_done(item.row(i, args_.decode.group));
    }
    has_done = __any_sync(0xFFFFFFFFU, has_done);
    if (lane_ == 0) {
      item.has_done = has_done;
      arrive(&pipeline_.item_ready[num_items_ % Pipeline<kDim>::kItems]);
    }
    for (int i = 0; i < num_pages; ++i) {
      pipeline_.start_page(stages_, args_.maps, kv_head_, __shfl_sync(0xFFFFFFFFU, page_of_lane, i),
                           num_pages_++, lane_);
    }
    ++num_items_;
  }

  Pipeline<kDim>& pipeline_;
  uint32_t stages_;
  const PrefixArgs<T>& args_;
  int lane_;
  // The next item.
  int group_ = 0;
  int num_splits_ = 0;  // of the group
  int kv_head_ = 0;
  int split_ = 0;
  bool is_first_ = true;
  int num_items_ = 0;  // brought so far
  int num_pages_ = 0;
};

}  // namespace eet::kernels
