// How decode attention on tensor cores brings keys and values to shared memory: a ring of slots for
// each warp, filled by bulk copies, or by cp.async before compute capability 9.0, for heads up to
// 64, and where a row's last tile is not whole.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "kernels/async_copy.cuh"
#include "kernels/attention_decode.cuh"
#include "kernels/hopper.cuh"
#include "kernels/tensor_map.cuh"

namespace eet::kernels {

inline constexpr int kTileTokens = 16;
static_assert(kPageSize % kTileTokens == 0);

// Slots of a warp's ring; one holds the keys or the values of a tile. As few as cost no time, so
// that more blocks fit an SM.
// is_short: most rows have few tiles, so that more blocks gain more than deeper rings.
__host__ __device__ constexpr int ring_slots(int max_head_dim, bool is_short) {
  if (is_short && max_head_dim <= 128) return max_head_dim <= 64 ? 4 : 3;
  return max_head_dim <= 64 ? 6 : max_head_dim <= 128 ? 4 : max_head_dim <= 256 ? 3 : 2;
}
// 16-byte pieces in a slot: a line of 8 for each token and 64 dimensions.
__host__ __device__ constexpr int slot_pieces(int head_dim) {
  return 8 * kTileTokens * static_cast<int>(ceil_div<int64_t>(head_dim, 64));
}
constexpr int ring_bytes(int max_head_dim, int head_dim, bool is_short) {
  return kDecodeWarps * ring_slots(max_head_dim, is_short) * slot_pieces(head_dim) *
         static_cast<int>(sizeof(uint4));
}
// Blocks for which an SM of compute capability 9.0 has shared memory. Each takes at most 8 KiB
// besides its rings at head sizes up to 128, and 12 KiB above.
constexpr int blocks_per_sm(int max_head_dim, bool is_short) {
  const int other_bytes = (max_head_dim <= 128 ? 8 : 12) * 1024;
  return 227 * 1024 / (ring_bytes(max_head_dim, max_head_dim, is_short) + other_bytes);
}

// Where a slot has dimensions 8 * piece (+7) of a token: as the bulk copies' swizzle of 128 bytes
// has it, so that the eight rows of a matrix meet in no bank.
__device__ __forceinline__ int place(int token, int piece) {
  return (piece / 8 * kTileTokens + token) * 8 + (piece % 8 ^ token % 8);
}
inline constexpr int kChunkPieces = 8 * kTileTokens;  // of 64 dimensions of all tokens
inline constexpr int kChunkBytes = 16 * kChunkPieces;

// Where a lane loads matrices from, in bytes of a slot: place() of its first row, from which those
// of the others follow by additions and flipped bits.
class LanePlaces {
 public:
  __device__ __forceinline__ explicit LanePlaces(int lane) {
    const int key = place(lane / 8 % 2 * 8 + lane % 8, lane / 16);
    const int value = place(lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      keys_[i] = 16 * (key ^ 2 * i);
      values_[i] = 16 * (value ^ 2 * i);
    }
  }

  // Dimensions 16 * k to 16 * k + 15 of the tokens, as load_matrices() wants an operand's rows.
  __device__ __forceinline__ uint32_t key(int k) const {
    return keys_[k % 4] + k / 4 * kChunkBytes;
  }
  // The same dimensions as load_matrices_transposed() wants them.
  __device__ __forceinline__ uint32_t value(int k) const {
    return values_[k % 4] + k / 4 * kChunkBytes;
  }

 private:
  uint32_t keys_[4];
  uint32_t values_[4];
};

// Copies a tile's keys or values, eight lanes to a line. Zeros stand for tokens from `num_tokens`
// on, which are memory that was never written, and for dimensions beyond the head.
template <int kDim, int kUnrolled, typename T>
__device__ __forceinline__ void copy_tile(uint32_t slot, const T* tile, int head_dim,
                                          int num_tokens, int lane) {
  const T* source = tile + lane / 8 * head_dim + lane % 8 * 8;
  const int tokens_left = num_tokens - lane / 8;
  const int dims_left = head_dim - lane % 8 * 8;
  const int first = place(lane / 8, lane % 8);
#pragma unroll kUnrolled
  for (int i = 0; i < kTileTokens / 4; ++i) {
    // Four lines on, bit 2 of the swizzle is another.
    const uint32_t line = slot + 16 * ((first ^ i % 2 * 4) + i * 32);
#pragma unroll
    for (int c = 0; c < kDim / 64; ++c) {
      if (c * 64 >= head_dim) break;
      copy_async_16_once(line + c * kChunkBytes, source + 64 * c,
                         4 * i < tokens_left && 64 * c < dims_left);
    }
    source += 4 * head_dim;
  }
}

// A layer's pages for the bulk copies: [num_pages, chunks, num_kv_heads * kPageSize, 64] where a
// head is whole chunks of 64 dimensions, of which a box has all for a tile's tokens. Else
// [num_pages, 1, num_kv_heads * kPageSize, head_dim], and a chunk is a box; zeros lie beyond the
// head.
struct PageMaps {
  CUtensorMap keys;
  CUtensorMap values;
  int num_boxes;  // of a tile's keys
};

template <typename T>
struct MmaArgs {
  DecodeArgs<T> decode;
  PageMaps maps;  // of code compiled for 9.0 or later
};

// ---- the host's part: maps

// box_tokens: of a page, in a box.
template <typename T>
CUtensorMap page_map(const T* pages, const PagedKv<T>& kv, const AttentionHeads& heads,
                     int box_chunks, int box_tokens) {
  constexpr cuuint64_t kChunk = 64;
  const auto head_dim = static_cast<cuuint64_t>(heads.head_dim);
  const auto page_rows = static_cast<cuuint64_t>(heads.num_kv_heads) * kPageSize;
  const cuuint64_t row_bytes = head_dim * sizeof(T);
  return swizzled_map<T, 4>(
      pages,
      {head_dim % kChunk == 0 ? kChunk : head_dim, page_rows, static_cast<cuuint64_t>(box_chunks),
       static_cast<cuuint64_t>(kv.num_pages)},
      {row_bytes, kChunk * sizeof(T), row_bytes * page_rows},
      {kChunk, static_cast<cuuint32_t>(box_tokens), static_cast<cuuint32_t>(box_chunks), 1});
}

template <typename T>
PageMaps page_maps(const PagedKv<T>& kv, const AttentionHeads& heads, int box_tokens) {
  const int chunks = slot_pieces(heads.head_dim) / kChunkPieces;
  const int box_chunks = heads.head_dim % 64 == 0 ? chunks : 1;
  return {.keys = page_map(kv.keys, kv, heads, box_chunks, box_tokens),
          .values = page_map(kv.values, kv, heads, box_chunks, box_tokens),
          .num_boxes = chunks / box_chunks};
}

// ---- the ring

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
inline constexpr bool kHasBulkCopies = true;
#else
inline constexpr bool kHasBulkCopies = false;
#endif

// Bulk copies of 16 lines at a time are slower than cp.async. On an H100, 128 rows of 2048 tokens,
// 32/8 heads of 64: 203 and 184 us; of 4096 tokens, heads of 32: 414 and 195 us.
__host__ __device__ constexpr bool suits_bulk_copies(int max_head_dim) {
  return max_head_dim > 64;
}

// A warp's ring of slots. Its items are the keys and the values of the warp's first tile, of its
// second, and so on. Tiles whose 16 tokens are in the cache are whole; the warp's last one may not
// be.
template <typename T, int kDim, bool kIsShort>
class TileRing {
 public:
  static constexpr int kSlots = ring_slots(kDim, kIsShort);
  static constexpr int kStep = kDecodeWarps * kTileTokens;  // tokens from a tile to the next
  // Tiles after which a tile's slots are the first tile's again. The loop over tiles is unrolled as
  // often: where the compiler knows the slots, a tile takes 150 instructions instead of 205.
  static constexpr int kTurnTiles = kSlots % 2 == 0 ? kSlots / 2 : kSlots;

  static constexpr bool kBulkCopies = kHasBulkCopies && suits_bulk_copies(kDim);

  // slots: kSlots of the warp's own, the same address in all lanes and known to be; copied_slots:
  // that address, not known to be. For cp.async with a cache hint to [register + uniform register]
  // ptxas 13.0 makes an illegal instruction. arrived: kSlots barriers. num_newest: of the split's
  // tokens, those that are not in the cache, the last.
  __device__ __forceinline__ TileRing(const MmaArgs<T>& args, const DecodeWork& work,
                                      uint32_t slots, uint32_t copied_slots, uint32_t arrived,
                                      int first_token, int num_newest, int lane)
      : args_(args),
        page_(work.pages + first_token / kPageSize),
        head_row_(work.kv_head * kPageSize),
        row_(first_token % kPageSize),
        left_(work.end - first_token),
        num_newest_(num_newest),
        slot_bytes_(slot_pieces(args.decode.heads.head_dim) * static_cast<int>(sizeof(uint4))),
        slots_(slots),
        copied_slots_(copied_slots),
        arrived_(arrived),
        lane_(lane) {
    if constexpr (kBulkCopies) {
      if (lane < kSlots) {
        init_barrier(arrived + 8 * lane, 1);
        publish_barriers();
      }
      __syncwarp();
    }
#pragma unroll
    for (int item = 0; item < kSlots - 1; ++item) start(item);
  }

  // The slot of the turn's `item`th item. The slot of the item before is filled anew.
  __device__ __forceinline__ uint32_t next(int item, bool is_whole) {
    // All lanes have read it. Loads of matrices are the whole warp's.
    if constexpr (!kBulkCopies) __syncwarp();
    start(item + kSlots - 1);
    if (kBulkCopies && is_whole) {
      wait_for(arrived_ + 8 * (item % kSlots), parity_ ^ (item / kSlots));
    } else {
      wait_copies<kBulkCopies ? 0 : kSlots - 1>();
      __syncwarp();  // all lanes' copies have arrived
    }
    return slot(item);
  }

  __device__ __forceinline__ void end_turn() {
    parity_ ^= 2 * kTurnTiles / kSlots % 2;
  }

 private:
  __device__ __forceinline__ uint32_t slot(int item) const {
    return slots_ + slot_offset(item);
  }
  __device__ __forceinline__ uint32_t slot_offset(int item) const {
    return item % kSlots * (kDim <= 128 ? kDim / 64 * kChunkBytes : slot_bytes_);
  }

  // Starts to copy the next item, the turn's `item`th.
  __device__ __forceinline__ void start(int item) {
    const bool is_value = item % 2 != 0;
    if (kBulkCopies && left_ - num_newest_ >= kTileTokens) {
      start_whole(item, is_value);
    } else {
      if (left_ > 0) start_some(item, is_value);
      commit_copies();
    }
    if (is_value) {
      left_ -= kStep;
      page_ += row_ / kStep;
      row_ ^= kStep;
    }
  }

  __device__ __forceinline__ void start_whole(int item, bool is_value) const {
    if constexpr (kBulkCopies) {
      const CUtensorMap& map = is_value ? args_.maps.values : args_.maps.keys;
      const uint32_t barrier = arrived_ + 8 * (item % kSlots);
      const int page = *page_;
      const int num_boxes = args_.maps.num_boxes;
      expect_bytes_in_one_lane(barrier, slot_bytes_);
      copy_box_once_in_one_lane(slot(item), map, 0, head_row_ + row_, 0, page, barrier);
#pragma unroll 1
      for (int c = 1; c < num_boxes; ++c) {
        copy_box_once_in_one_lane(slot(item) + c * kChunkBytes, map, 64 * c, head_row_ + row_, 0,
                                  page, barrier);
      }
    }
  }

  __device__ __forceinline__ void start_some(int item, bool is_value) const {
    const DecodeArgs<T>& args = args_.decode;
    const T* pages = is_value ? args.kv.values : args.kv.keys;
    const T* tile = pages + kv_offset(*page_, 0, head_row_ + row_, args.heads.num_kv_heads,
                                      args.heads.head_dim);
    copy_tile<kDim, kBulkCopies ? 1 : kTileTokens / 4>(
        copied_slots_ + slot_offset(item), tile, args.heads.head_dim, left_ - num_newest_, lane_);
  }

  const MmaArgs<T>& args_;
  // Of the tile that is copied next:
  const int32_t* page_;
  int head_row_;    // of the page's rows, the key head's first
  int row_;         // and from there on, the tile's
  int left_;        // tokens that the split has from there on
  int num_newest_;  // of them not in the cache, the last
  int slot_bytes_;
  uint32_t slots_;
  uint32_t copied_slots_;
  uint32_t arrived_;
  uint32_t parity_ = 0;
  int lane_;
};

}  // namespace eet::kernels
