// Decode attention: one block per (row, key head, split of the row's cached tokens), whose query
// heads share every key and value that is loaded.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "kernels/async_copy.cuh"
#include "kernels/attention.cuh"
#include "kernels/attention_decode.cuh"
#include "kernels/attention_decode.h"
#include "kernels/launch.cuh"
#include "kernels/mma.cuh"
#include "kernels/rope.cuh"
#include "kernels/vector.cuh"
#include "kernels/wgmma_ring.cuh"

namespace eet::kernels {
namespace {

// fp16 and bf16, on tensor cores.
//
// A warp takes every fourth tile of 16 tokens and has its own ring of slots in shared memory, which
// the bulk copy engine fills (cp.async before compute capability 9.0, for heads up to 64, and where
// a row's last tile is not whole). Keys and values are the products' first operands, whose 16 rows
// are all in use, and the query heads are the 8 columns of the second: scoresᵀ = keys · queriesᵀ
// and valuesᵀ · weightsᵀ. Between the two the weights change places among the lanes, see
// transpose_tile().
//
// Instructions are spared here although they take no time: the steps of a large batch are at the
// GPU's power limit, so what they take in energy slows the products down. On an H100, 256 rows of
// 560 tokens, 32/8 heads of 128, take 105 mJ and 196.5 us (reading as many bytes takes 95 mJ)
// with about 150 instructions a tile, and took 115 mJ and 198.4 us with 500; a step of Llama-3 8B
// takes 13.88 ms instead of 14.07.

constexpr int kTileTokens = 16;
static_assert(kPageSize % kTileTokens == 0);

// Slots of a warp's ring; one holds the keys or the values of a tile. As few as cost no time, so
// that more blocks fit an SM.
__host__ __device__ constexpr int ring_slots(int max_head_dim) {
  return max_head_dim <= 64 ? 6 : max_head_dim <= 128 ? 4 : 3;
}
// 16-byte pieces in a slot: a line of 8 for each token and 64 dimensions.
__host__ __device__ constexpr int slot_pieces(int head_dim) {
  return 8 * kTileTokens * static_cast<int>(ceil_div<int64_t>(head_dim, 64));
}
constexpr int ring_bytes(int max_head_dim, int head_dim) {
  return kDecodeWarps * ring_slots(max_head_dim) * slot_pieces(head_dim) *
         static_cast<int>(sizeof(uint4));
}
// Blocks for which an SM of compute capability 9.0 has shared memory. Each takes at most 8 KiB
// besides its rings at head sizes up to 128, and 12 KiB above.
constexpr int blocks_per_sm(int max_head_dim) {
  const int other_bytes = (max_head_dim <= 128 ? 8 : 12) * 1024;
  return 227 * 1024 / (ring_bytes(max_head_dim, max_head_dim) + other_bytes);
}

// Where a slot has dimensions 8 * piece (+7) of a token: as the bulk copies' swizzle of 128 bytes
// has it, so that the eight rows of a matrix meet in no bank.
__device__ __forceinline__ int place(int token, int piece) {
  return (piece / 8 * kTileTokens + token) * 8 + (piece % 8 ^ token % 8);
}
constexpr int kChunkPieces = 8 * kTileTokens;  // of 64 dimensions of all tokens
constexpr int kChunkBytes = 16 * kChunkPieces;

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

// Floats from a head to the next where warps meet: lanes of four pairs of heads meet in no bank.
__host__ __device__ constexpr int merged_stride(int head_dim) {
  return head_dim + 4;
}

// Elements [dim, dim + 8) of a head, turned where there are angles.
template <typename T>
__device__ __forceinline__ uint4 load_piece(const T* head, int dim, int head_dim,
                                            const float* cos_sin) {
  if (cos_sin == nullptr) return *reinterpret_cast<const uint4*>(head + dim);
  const Vec<T, 8> turned = load_turned<8>(head, dim, head_dim, cos_sin);
  return *reinterpret_cast<const uint4*>(&turned);
}

// The block's query heads in shared memory, zeros beyond the group and the head.
template <int kDim, int kHeadTiles>
struct QueryRoom {
  static constexpr int kHeadPieces = kDim / 8;
  static constexpr int kPieces = 8 * kHeadTiles * kHeadPieces;

  // The work of all threads. room: [kPieces]; cos_sin: of the row's last position, or null: q is
  // turned already.
  template <typename T>
  static __device__ __forceinline__ void fill(uint4* room, const T* q, const float* cos_sin,
                                              int group, int head_dim) {
#pragma unroll
    for (int i = static_cast<int>(threadIdx.x); i < kPieces; i += kDecodeThreads) {
      const int head = i / kHeadPieces;
      const int piece = i % kHeadPieces;
      const bool valid = head < group && 8 * piece < head_dim;
      room[head * kHeadPieces + (piece ^ head % 8)] =
          valid ? load_piece(q + head * head_dim, 8 * piece, head_dim, cos_sin)
                : make_uint4(0, 0, 0, 0);
    }
  }

  // pieces[i]: in lane 4g + t, dimensions 8 * (4 * quad + i) + 2t and + 1 of head 8n + g.
  static __device__ __forceinline__ void load(uint32_t (&pieces)[4], uint32_t room, int n, int quad,
                                              int lane) {
    const int head = 8 * n + lane % 8;
    load_matrices(pieces, room + 16 * (head * kHeadPieces + ((4 * quad + lane / 8) ^ lane % 8)));
  }
};

// One warp's online softmax over its tiles, for 8 * kHeadTiles query heads, in lane 4g + t.
template <typename T, int kDim, int kHeadTiles>
struct WarpState {
  // How much a score may exceed the maximum in use, in powers of two, before the sums are rescaled:
  // weights of up to 2^8 lose nothing.
  static constexpr float kSlack = 8.0F;

  uint32_t queries[kDim / 32][kHeadTiles][4];  // as QueryRoom::load()
  float maximum[kHeadTiles][2];                // in use, of heads 8n + 2t and + 1
  float sum[kHeadTiles][2];                    // of this lane's tokens
  // [k][n]: dimensions 16k + g (0, 1) and + 8 (2, 3) of heads 8n + 2t and + 1.
  float values[kDim / 16][kHeadTiles][4];

  __device__ __forceinline__ void init(uint32_t room, int lane) {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        maximum[n][i] = kNegativeInfinity;
        sum[n][i] = 0.0F;
      }
#pragma unroll
      for (int quad = 0; quad < kDim / 32; ++quad) {
        QueryRoom<kDim, kHeadTiles>::load(queries[quad][n], room, n, quad, lane);
      }
#pragma unroll
      for (int k = 0; k < kDim / 16; ++k) {
#pragma unroll
        for (int i = 0; i < 4; ++i) values[k][n][i] = 0.0F;
      }
    }
  }

  // scores[n]: tokens g (0, 1) and g + 8 (2, 3) of heads 8n + 2t and + 1.
  __device__ __forceinline__ void score(float (&scores)[kHeadTiles][4], uint32_t slot,
                                        const LanePlaces& places, int head_dim) const {
    float odd[kHeadTiles][4];  // a chain of sums of its own, for the sake of small batches
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) scores[n][i] = odd[n][i] = 0.0F;
    }
#pragma unroll
    for (int k = 0; k < kDim / 16; ++k) {
      if (kDim > 128 && k % 4 == 0 && 16 * k >= head_dim) break;
      uint32_t keys[4];
      load_matrices(keys, slot + places.key(k));
#pragma unroll
      for (int n = 0; n < kHeadTiles; ++n) {
        mma_16x8x16<T>(k % 2 == 0 ? scores[n] : odd[n], keys, queries[k / 2][n][k % 2 * 2],
                       queries[k / 2][n][k % 2 * 2 + 1]);
      }
    }
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) scores[n][i] += odd[n][i];
    }
  }

  // Makes tokens of the tile from `num_tokens` on, not all, count for nothing.
  static __device__ __forceinline__ void hide_after(float (&scores)[kHeadTiles][4], int num_tokens,
                                                    int lane) {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (i / 2 * 8 + lane / 4 >= num_tokens) scores[n][i] = kNegativeInfinity;
      }
    }
  }

  // Turns a tile's scores into weights, and rescales what was summed so far where they exceed the
  // maximum in use by much.
  __device__ __forceinline__ void soften(uint32_t (&weights)[kHeadTiles][2],
                                         const float (&scores)[kHeadTiles][4], float scale_log2) {
    bool exceeds = false;
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float peak = fmaxf(scores[n][i], scores[n][2 + i]) * scale_log2;
        exceeds = exceeds || peak > maximum[n][i] + kSlack;
      }
    }
    if (__any_sync(0xFFFFFFFFU, exceeds)) raise(scores, scale_log2);
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
      float weight[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        weight[i] = exp2_fast(fmaf(scores[n][i], scale_log2, -maximum[n][i % 2]));
      }
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        sum[n][i] += weight[i] + weight[2 + i];
        weights[n][i] = transpose_tile(pack<T>(weight[2 * i], weight[2 * i + 1]));
      }
    }
  }

  // Makes the scores' maxima the ones in use.
  __device__ __forceinline__ void raise(const float (&scores)[kHeadTiles][4], float scale_log2) {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float peak = fmaxf(scores[n][i], scores[n][2 + i]) * scale_log2;
#pragma unroll
        for (int offset = 4; offset < 32; offset *= 2) {
          peak = fmaxf(peak, __shfl_xor_sync(0xFFFFFFFFU, peak, offset));
        }
        const float new_maximum = fmaxf(maximum[n][i], peak);
        const float rescale = exp2_fast(maximum[n][i] - new_maximum);
        maximum[n][i] = new_maximum;
        sum[n][i] *= rescale;
#pragma unroll
        for (int k = 0; k < kDim / 16; ++k) {
          values[k][n][i] *= rescale;
          values[k][n][2 + i] *= rescale;
        }
      }
    }
  }

  // Adds a tile's weighted values.
  __device__ __forceinline__ void accumulate(const uint32_t (&weights)[kHeadTiles][2],
                                             uint32_t slot, const LanePlaces& places,
                                             int head_dim) {
#pragma unroll
    for (int k = 0; k < kDim / 16; ++k) {
      if (kDim > 128 && k % 4 == 0 && 16 * k >= head_dim) break;
      uint32_t tile[4];
      load_matrices_transposed(tile, slot + places.value(k));
#pragma unroll
      for (int n = 0; n < kHeadTiles; ++n) {
        mma_16x8x16<T>(values[k][n], tile, weights[n][0], weights[n][1]);
      }
    }
  }

  // merged: [group, merged_stride(head_dim)] of this warp; stats: [8 * kHeadTiles] of this warp.
  __device__ __forceinline__ void write(float* merged, float2* stats, int group, int head_dim,
                                        int lane) const {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int head = 8 * n + 2 * (lane % 4) + i;
        float total = sum[n][i];
#pragma unroll
        for (int offset = 4; offset < 32; offset *= 2) {
          total += __shfl_xor_sync(0xFFFFFFFFU, total, offset);
        }
        if (lane < 4) stats[head] = make_float2(maximum[n][i], total);
        if (head >= group) continue;
        float* to = merged + head * merged_stride(head_dim) + lane / 4;
#pragma unroll
        for (int k = 0; k < kDim / 16; ++k) {
          if (16 * k >= head_dim) break;
          to[16 * k] = values[k][n][i];
          if (16 * k + 8 < head_dim) to[16 * k + 8] = values[k][n][2 + i];
        }
      }
    }
  }
};

// Joins the warps' results in warp order and stores them, a head's by one warp. merged:
// [kDecodeWarps, group, merged_stride(head_dim)].
template <typename T>
__device__ __forceinline__ void merge_warps(
    const DecodeArgs<T>& args, const DecodeWork& work, const float* merged,
    const float2 (&stats)[kDecodeWarps][kMaxAttentionGroup]) {
  const int head_dim = args.heads.head_dim;
  const int stride = merged_stride(head_dim);
  for (int head = static_cast<int>(threadIdx.x) / 32; head < work.group; head += kDecodeWarps) {
    float maximum = kNegativeInfinity;
#pragma unroll
    for (int w = 0; w < kDecodeWarps; ++w) maximum = fmaxf(maximum, stats[w][head].x);
    float weights[kDecodeWarps];
    float sum = 0.0F;
#pragma unroll
    for (int w = 0; w < kDecodeWarps; ++w) {
      weights[w] = exp2_fast(stats[w][head].x - maximum);  // 0 of a warp without tokens
      sum += weights[w] * stats[w][head].y;
    }
    for (int dim = static_cast<int>(threadIdx.x) % 32 * 4; dim < head_dim; dim += 32 * 4) {
      Vec<float, 4> values = {};
#pragma unroll
      for (int w = 0; w < kDecodeWarps; ++w) {
        const auto part = load_vec<4>(merged + (w * work.group + head) * stride + dim);
#pragma unroll
        for (int k = 0; k < 4; ++k) values.value[k] += weights[w] * part.value[k];
      }
      store_result<4>(args, work, head, dim, values, maximum, sum);
    }
  }
}

// Moves the key and value of a row's newest token from qkv to the cache, for the steps to come, and
// to `pieces`, [2, kDim / 8] of shared memory: one warp's work.
template <int kDim, typename T>
__device__ __forceinline__ void fetch_newest(uint4* pieces, const DecodeArgs<T>& args,
                                             const DecodeWork& work, int64_t offset,
                                             const float* cos_sin, int lane) {
  const int head_dim = args.heads.head_dim;
  const int dim = 8 * lane;
  if (dim >= head_dim) return;
  const T* key = args.qkv + work.row * qkv_stride(args.heads) +
                 static_cast<int64_t>(args.heads.num_heads + work.kv_head) * head_dim;
  const T* value = key + static_cast<int64_t>(args.heads.num_kv_heads) * head_dim;
  const uint4 key_piece = load_piece(key, dim, head_dim, cos_sin);
  const uint4 value_piece = load_piece(value, dim, head_dim, nullptr);
  pieces[lane] = key_piece;
  pieces[kDim / 8 + lane] = value_piece;
  *reinterpret_cast<uint4*>(args.append.keys + offset + dim) = key_piece;
  *reinterpret_cast<uint4*>(args.append.values + offset + dim) = value_piece;
}

// Puts them in the last tile; all lanes of the tile's warp call this.
template <int kDim>
__device__ __forceinline__ void put_newest(uint32_t slot, const uint4* pieces, bool is_value,
                                           int token, int head_dim, int lane) {
  if (8 * lane < head_dim) {
    store_shared(slot + 16 * place(token, lane), pieces[(is_value ? kDim / 8 : 0) + lane]);
  }
  __syncwarp();
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

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
constexpr bool kHasBulkCopies = true;
#else
constexpr bool kHasBulkCopies = false;
#endif

// Bulk copies of 16 lines at a time are slower than cp.async. On an H100, 128 rows of 2048 tokens,
// 32/8 heads of 64: 203 and 184 us; of 4096 tokens, heads of 32: 414 and 195 us.
__host__ __device__ constexpr bool suits_bulk_copies(int max_head_dim) {
  return max_head_dim > 64;
}

// A warp's ring of slots. Its items are the keys and the values of the warp's first tile, of its
// second, and so on. Tiles whose 16 tokens are in the cache are whole; the warp's last one may not
// be.
template <typename T, int kDim>
class TileRing {
 public:
  static constexpr int kSlots = ring_slots(kDim);
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
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
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
#endif
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

// kAppends: attention_decode_append().
template <typename T, int kDim, int kHeadTiles, bool kAppends>
__global__ void __launch_bounds__(kDecodeThreads, blocks_per_sm(kDim))
    decode_mma_kernel(const __grid_constant__ MmaArgs<T> mma_args) {
  using Ring = TileRing<T, kDim>;
  using Room = QueryRoom<kDim, kHeadTiles>;
  extern __shared__ __align__(1024) uint4 shared[];  // as the copies' swizzle wants it
  __shared__ float2 stats[kDecodeWarps][kMaxAttentionGroup];
  __shared__ uint4 newest_pieces[kAppends ? kDim / 4 : 1];
  __shared__ uint4 query_pieces[Room::kPieces];
  __shared__ uint64_t arrived[kDecodeWarps][Ring::kSlots];
  const DecodeArgs<T>& args = mma_args.decode;
  // With the newest tokens in qkv, all else that is read is older than the kernel before. On an
  // H100 this gives 0.6 (Llama-3 8B) to 2 % of a step of 32 rows (GPT-2 XL, 4.10 and 4.01 ms).
  if constexpr (!kAppends) wait_for_previous_kernel();
  const DecodeWork work = find_work(args);
  if (is_idle(work)) return;
  if (work.begin >= work.end) {
    if constexpr (kAppends) wait_for_previous_kernel();
    finish_without_tokens(args, work);
    return;
  }
  const int head_dim = args.heads.head_dim;
  // The same in all lanes, and known to be: bulk copies want uniform registers.
  const int warp = __shfl_sync(0xFFFFFFFFU, static_cast<int>(threadIdx.x) / 32, 0);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first_token = work.begin + warp * kTileTokens;

  // With kAppends the newest token is not in the cache yet.
  const int num_newest = kAppends && work.has_newest ? 1 : 0;
  const auto slots_of = [&](int owner) {
    return shared_address(shared + owner * Ring::kSlots * slot_pieces(head_dim));
  };
  Ring ring(mma_args, work, slots_of(warp), slots_of(static_cast<int>(threadIdx.x) / 32),
            shared_address(arrived[warp]), first_token, num_newest, lane);
  if constexpr (kAppends) wait_for_previous_kernel();

  const float* cos_sin = nullptr;
  if constexpr (kAppends) {
    const int newest = work.context_len - 1;
    if (args.append.rope_table != nullptr) {
      cos_sin = args.append.rope_table + static_cast<int64_t>(newest) * head_dim;
    }
    // The last warp's part of most groups' queries is zeros.
    if (num_newest > 0 && warp == kDecodeWarps - 1) {
      const int page = work.pages[newest / kPageSize];
      fetch_newest<kDim>(newest_pieces, args, work,
                         token_offset(page, newest, work.kv_head, args.heads), cos_sin, lane);
    }
  }
  Room::fill(query_pieces,
             args.qkv + work.row * qkv_stride(args.heads) +
                 static_cast<int64_t>(work.kv_head) * work.group * head_dim,
             cos_sin, work.group, head_dim);
  __syncthreads();
  WarpState<T, kDim, kHeadTiles> state;
  state.init(shared_address(query_pieces), lane);

  const LanePlaces places(lane);
  const float scale_log2 = args.heads.scale * kLog2E;
  for (int left = work.end - first_token; left > 0; ring.end_turn()) {
#pragma unroll
    for (int i = 0; i < Ring::kTurnTiles; ++i) {
      const bool is_whole = left - num_newest >= kTileTokens;
      const auto complete = [&](uint32_t slot, bool is_value) {
        if (!kAppends || is_whole || num_newest == 0) return;
        put_newest<kDim>(slot, newest_pieces, is_value, left - 1, head_dim, lane);
      };
      const uint32_t keys = ring.next(2 * i, is_whole);
      complete(keys, false);
      float scores[kHeadTiles][4];
      state.score(scores, keys, places, head_dim);
      if (!is_whole) state.hide_after(scores, left, lane);
      uint32_t weights[kHeadTiles][2];
      state.soften(weights, scores, scale_log2);
      const uint32_t values = ring.next(2 * i + 1, is_whole);
      complete(values, true);
      state.accumulate(weights, values, places, head_dim);
      left -= Ring::kStep;
      if (left <= 0) break;
    }
  }

  // The rings become the place where the warps meet.
  wait_copies<0>();
  __syncthreads();
  float* merged = reinterpret_cast<float*>(shared);
  state.write(merged + warp * work.group * merged_stride(head_dim), stats[warp], work.group,
              head_dim, lane);
  __syncthreads();
  merge_warps(args, work, merged, stats);
  join_splits(args, work);
}

template <typename T>
CUtensorMap page_map(const T* pages, const PagedKv<T>& kv, const AttentionHeads& heads,
                     int box_chunks) {
  constexpr cuuint64_t kChunk = 64;
  const auto head_dim = static_cast<cuuint64_t>(heads.head_dim);
  const auto page_rows = static_cast<cuuint64_t>(heads.num_kv_heads) * kPageSize;
  const cuuint64_t row_bytes = head_dim * sizeof(T);
  const cuuint64_t sizes[4] = {head_dim % kChunk == 0 ? kChunk : head_dim, page_rows,
                               static_cast<cuuint64_t>(box_chunks),
                               static_cast<cuuint64_t>(kv.num_pages)};
  const cuuint64_t strides[3] = {row_bytes, kChunk * sizeof(T), row_bytes * page_rows};
  const cuuint32_t box[4] = {kChunk, kTileTokens, static_cast<cuuint32_t>(box_chunks), 1};
  const cuuint32_t steps[4] = {1, 1, 1, 1};
  constexpr auto kType = std::is_same_v<T, __half> ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                                   : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  CUtensorMap map{};
  const CUresult result =
      encode_tiled()(&map, kType, 4, const_cast<T*>(pages), sizes, strides, box, steps,
                     CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                     CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  require(result == CUDA_SUCCESS, "cuTensorMapEncodeTiled: error ", static_cast<int>(result),
          " for ", kv.num_pages, " pages of ", heads.num_kv_heads, " heads of ", heads.head_dim);
  return map;
}

template <typename T>
PageMaps page_maps(const PagedKv<T>& kv, const AttentionHeads& heads) {
  const int chunks = slot_pieces(heads.head_dim) / kChunkPieces;
  const int box_chunks = heads.head_dim % 64 == 0 ? chunks : 1;
  return {.keys = page_map(kv.keys, kv, heads, box_chunks),
          .values = page_map(kv.values, kv, heads, box_chunks),
          .num_boxes = chunks / box_chunks};
}

template <typename T, int kDim, int kHeadTiles>
void launch_mma(const DecodeArgs<T>& args, dim3 grid, cudaStream_t stream) {
  // No SM is to hold more than its share of the blocks: they start when the kernel before ends, on
  // some SMs earlier than on others.
  const auto num_blocks = static_cast<int64_t>(grid.x) * grid.y * grid.z;
  const int64_t share = ceil_div<int64_t>(num_blocks, num_multiprocessors());
  const int shared_bytes =
      std::max(ring_bytes(kDim, args.heads.head_dim),
               static_cast<int>(shared_bytes_per_multiprocessor() / (share + 1)));
  const auto kernel = args.append.keys != nullptr ? decode_mma_kernel<T, kDim, kHeadTiles, true>
                                                  : decode_mma_kernel<T, kDim, kHeadTiles, false>;
  CUDA_CHECK(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                                  cudaSharedmemCarveoutMaxShared));
  const MmaArgs<T> mma_args = {
      .decode = args, .maps = is_hopper_code(kernel) ? page_maps(args.kv, args.heads) : PageMaps{}};
  launch_overlapped(kernel, grid, kDecodeThreads, shared_bytes, stream, mma_args);
}

template <typename T, int kDim>
void launch_mma(const DecodeArgs<T>& args, dim3 grid, cudaStream_t stream) {
  const bool one_tile = args.heads.num_heads <= 8 * args.heads.num_kv_heads;
  (one_tile ? launch_mma<T, kDim, 1> : launch_mma<T, kDim, 2>)(args, grid, stream);
}

// The most splits of any row of at most `max_context_len` tokens.
int max_splits(int64_t max_context_len) {
  const int64_t pages = std::min<int64_t>(ceil_div<int64_t>(max_context_len, kPageSize),
                                          int64_t{kMaxSplits} * kMinPagesPerSplit);
  return num_splits(static_cast<int>(pages), kMinPagesPerSplit);
}

}  // namespace

size_t attention_decode_partials_bytes(const AttentionHeads& heads, int num_rows,
                                       int64_t max_context_len) {
  const int splits = max_splits(max_context_len);
  if (splits <= 1) return 0;
  return static_cast<size_t>(num_rows) * static_cast<size_t>(heads.num_heads) *
         static_cast<size_t>(splits) *
         (static_cast<size_t>(heads.head_dim) * sizeof(float) + sizeof(float2));
}

int64_t longest_context_split_alike(int64_t context_len) {
  const int splits = std::max(1, max_splits(context_len));
  int64_t pages = ceil_div<int64_t>(context_len, kPageSize);
  while (splits < kMaxSplits &&
         num_splits(static_cast<int>(pages) + 1, kMinPagesPerSplit) <= splits) {
    ++pages;
  }
  return splits == kMaxSplits ? std::numeric_limits<int64_t>::max() : pages * kPageSize;
}

template <typename T>
void attention_decode(T* out, const AttentionScratch& scratch, const T* qkv, const PagedKv<T>& kv,
                      const AttentionHeads& heads, int num_rows, int max_context_len,
                      cudaStream_t stream) {
  attention_decode_append(out, scratch, qkv, kv, KvAppend<T>{}, heads, num_rows, max_context_len,
                          stream);
}

template <typename T>
void attention_decode_append(T* out, const AttentionScratch& scratch, const T* qkv,
                             const PagedKv<T>& kv, const KvAppend<T>& append,
                             const AttentionHeads& heads, int num_rows, int max_context_len,
                             cudaStream_t stream) {
  if (num_rows == 0) return;
  // A pass of ended rows only still has zeros to write.
  const int splits = std::max(1, max_splits(max_context_len));
  const int64_t num_partials = int64_t{num_rows} * heads.num_heads * splits;
  float* partial_values = static_cast<float*>(scratch.partials);
  const DecodeArgs<T> args = {
      .out = out,
      .qkv = qkv,
      .kv = kv,
      .heads = heads,
      .group = heads.num_heads / heads.num_kv_heads,
      .max_splits = splits,
      .partial_values = partial_values,
      .partial_stats = reinterpret_cast<float2*>(partial_values + num_partials * heads.head_dim),
      .arrivals = scratch.arrivals,
      .append = append};
  // First splits first: all rows have one.
  const dim3 grid(static_cast<unsigned>(heads.num_kv_heads), static_cast<unsigned>(num_rows),
                  static_cast<unsigned>(splits));
  if constexpr (std::is_same_v<T, float>) {
    launch_decode_fp32(args, grid, stream);
  } else if (heads.head_dim <= 64) {
    launch_mma<T, 64>(args, grid, stream);
  } else if (heads.head_dim <= 128) {
    launch_mma<T, 128>(args, grid, stream);
  } else {
    launch_mma<T, 256>(args, grid, stream);
  }
}

template void attention_decode(float*, const AttentionScratch&, const float*, const PagedKv<float>&,
                               const AttentionHeads&, int, int, cudaStream_t);
template void attention_decode(__half*, const AttentionScratch&, const __half*,
                               const PagedKv<__half>&, const AttentionHeads&, int, int,
                               cudaStream_t);
template void attention_decode(__nv_bfloat16*, const AttentionScratch&, const __nv_bfloat16*,
                               const PagedKv<__nv_bfloat16>&, const AttentionHeads&, int, int,
                               cudaStream_t);
template void attention_decode_append(__half*, const AttentionScratch&, const __half*,
                                      const PagedKv<__half>&, const KvAppend<__half>&,
                                      const AttentionHeads&, int, int, cudaStream_t);
template void attention_decode_append(__nv_bfloat16*, const AttentionScratch&, const __nv_bfloat16*,
                                      const PagedKv<__nv_bfloat16>&, const KvAppend<__nv_bfloat16>&,
                                      const AttentionHeads&, int, int, cudaStream_t);

}  // namespace eet::kernels
