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

namespace eet::kernels {
namespace {

// fp16 and bf16, on tensor cores.
//
// A warp takes every fourth tile of 16 tokens and has its own ring of slots in shared memory. It
// copies whole lines of 128 bytes, and each lane then loads 16-byte pieces as it feeds them to the
// tensor cores, without a shuffle. That works because a product may sum its terms in any order: a
// lane's 8 consecutive dimensions of a key stand for places {2t, 2t+1, 2t+8, 2t+9} of two products,
// in q as in the keys.
//
// With lane = 4 * g + t, scores = q · keysᵀ (16 heads x 8 tokens) leaves in each lane head g (and
// g + 8), tokens 2t and 2t + 1: already the layout in which values · weights (valuesᵀ: 16
// dimensions x 16 tokens, weightsᵀ: 16 tokens x 8 heads) wants its second operand.

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
// Blocks for which an SM of compute capability 9.0 has shared memory. Each takes less than 2 KiB
// besides its rings.
constexpr int blocks_per_sm(int max_head_dim) {
  return 227 * 1024 / (ring_bytes(max_head_dim, max_head_dim) + 2048);
}

// Where a slot has dimensions 8 * piece (+7) of a token. Pieces of a line trade places, so that
// eight lanes meet in no bank, be it to copy a line or to load a piece of two tokens' keys or of
// four tokens' values.
__device__ __forceinline__ int place(int token, int piece) {
  const int swizzle = (token & 6) ^ ((token & 1) << 2);
  return (piece / 8 * kTileTokens + token) * 8 + (piece % 8 ^ swizzle);
}

// Where a lane copies to and loads from in a slot: place() of its first piece. The place of another
// follows without computing it anew, which takes a fifth of the loop's instructions: four
// or eight lines on it is as many lines on, and what flips bit 2 of the swizzle, as 4 lines or 4
// pieces more do, flips it in the place.
class LanePlaces {
 public:
  __device__ __forceinline__ explicit LanePlaces(int lane)
      : copied_(place(lane / 8, lane % 8)),
        key_(place(lane / 4, lane % 4)),
        value_(place(lane % 4 * 2, lane / 4)) {}

  // Line 4 * i + lane / 8, piece 8 * c + lane % 8.
  __device__ __forceinline__ int copied(int i, int c) const {
    return (copied_ ^ i % 2 * 4) + i * 32 + c * kChunk;
  }
  // Line 8 * h + lane / 4, piece 4 * c + lane % 4.
  __device__ __forceinline__ int key(int h, int c) const {
    return (key_ ^ c % 2 * 4) + h * 64 + c / 2 * kChunk;
  }
  // Line 8 * (i / 2) + 2 * (lane % 4) + i % 2, piece 8 * c + lane / 4.
  __device__ __forceinline__ int value(int i, int c) const {
    return (value_ ^ i % 2 * 4) + i % 2 * 8 + i / 2 * 64 + c * kChunk;
  }

 private:
  static constexpr int kChunk = 8 * kTileTokens;  // pieces of 64 dimensions of all lines
  int copied_;
  int key_;
  int value_;
};

// Copies a tile's keys or values, eight lanes to a line. On an H100 these copies alone reach 98 %
// of the read bandwidth; those of half lines, each lane what it will load itself, reached 81 %
// (decode of 128 rows of 512 tokens, 32/8 heads of 128: 100 against 121 us). Tokens from
// `num_tokens` on are memory that was never written: zeros stand for them, and for dimensions
// beyond the head.
template <int kDim, typename T>
__device__ __forceinline__ void copy_tile(uint4* slot, const T* tile, const LanePlaces& places,
                                          int head_dim, int num_tokens, int lane) {
  const T* source = tile + lane / 8 * head_dim + lane % 8 * 8;
  const int tokens_left = num_tokens - lane / 8;
  const int dims_left = head_dim - lane % 8 * 8;
#pragma unroll
  for (int i = 0; i < kTileTokens / 4; ++i) {
#pragma unroll
    for (int c = 0; c < kDim / 64; ++c) {
      if (c * 64 >= head_dim) break;
      copy_async_16_once(shared_address(slot + places.copied(i, c)), source + 64 * c,
                         4 * i < tokens_left && 64 * c < dims_left);
    }
    source += 4 * head_dim;
  }
}

// Elements [dim, dim + 8) of a head, turned where there are angles.
template <typename T>
__device__ __forceinline__ uint4 load_piece(const T* head, int dim, int head_dim,
                                            const float* cos_sin) {
  if (cos_sin == nullptr) return *reinterpret_cast<const uint4*>(head + dim);
  const Vec<T, 8> turned = load_turned<8>(head, dim, head_dim, cos_sin);
  return *reinterpret_cast<const uint4*>(&turned);
}

// One warp's online softmax over its tiles, for 8 * kHeadTiles query heads.
template <typename T, int kDim, int kHeadTiles>
struct WarpState {
  // Of heads g and g + 8: dimensions 32c + 8t (+7), zeros beyond the group and the head.
  uint4 queries[kDim / 32][kHeadTiles];
  float maximum[kHeadTiles];
  float sum[kHeadTiles];  // of this lane's tokens
  // [c][j][n]: dimensions 64c + 8g + 2j and + 1 of heads 8n + 2t and + 1, as {(0, 0), (0, 1),
  // (1, 0), (1, 1)}.
  float values[kDim / 64][4][kHeadTiles][4];

  // cos_sin: of the row's last position, or null: q is turned already.
  __device__ void init(const T* q, const float* cos_sin, int group, int head_dim, int lane) {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
      maximum[n] = kNegativeInfinity;
      sum[n] = 0.0F;
      const int head = 8 * n + lane / 4;
#pragma unroll
      for (int c = 0; c < kDim / 32; ++c) {
        const int dim = 32 * c + 8 * (lane % 4);
        const bool valid = head < group && dim < head_dim;
        queries[c][n] = valid ? load_piece(q + head * head_dim, dim, head_dim, cos_sin)
                              : make_uint4(0, 0, 0, 0);
      }
    }
#pragma unroll
    for (int c = 0; c < kDim / 64; ++c) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
#pragma unroll
        for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
          for (int i = 0; i < 4; ++i) values[c][j][n][i] = 0.0F;
        }
      }
    }
  }

  // scores[h]: heads g (0, 1) and g + 8 (2, 3), tokens 8h + 2t and + 1.
  __device__ __forceinline__ void score(float (&scores)[2][4], const uint4* slot,
                                        const LanePlaces& places, int head_dim) const {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int i = 0; i < 4; ++i) scores[h][i] = 0.0F;
    }
#pragma unroll
    for (int c = 0; c < kDim / 32; ++c) {
      if (c * 32 >= head_dim) break;
      const uint4 low = queries[c][0];
      const uint4 high = kHeadTiles == 2 ? queries[c][kHeadTiles - 1] : make_uint4(0, 0, 0, 0);
      const uint32_t first[4] = {low.x, high.x, low.y, high.y};
      const uint32_t second[4] = {low.z, high.z, low.w, high.w};
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const uint4 keys = slot[places.key(h, c)];
        mma_16x8x16<T>(scores[h], first, keys.x, keys.y);
        mma_16x8x16<T>(scores[h], second, keys.z, keys.w);
      }
    }
  }

  // Turns the scores of a tile's first `num_tokens` tokens into weights (zeros for the others) and
  // rescales what was summed so far.
  __device__ __forceinline__ void soften(uint32_t (&weights)[kHeadTiles][2], float (&scores)[2][4],
                                         float scale_log2, int num_tokens, int lane) {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
      float tile_maximum = kNegativeInfinity;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& score = scores[h][2 * n + i];
          const int token = 8 * h + 2 * (lane % 4) + i;
          score = token < num_tokens ? score * scale_log2 : kNegativeInfinity;
          tile_maximum = fmaxf(tile_maximum, score);
        }
      }
      // The tile's first token is real, so the maximum is finite from the first tile on.
      const float new_maximum = fmaxf(maximum[n], lanes_max<4>(tile_maximum));
      const float rescale = exp2_fast(maximum[n] - new_maximum);
      maximum[n] = new_maximum;
      sum[n] *= rescale;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float first = exp2_fast(scores[h][2 * n] - new_maximum);
        const float second = exp2_fast(scores[h][2 * n + 1] - new_maximum);
        sum[n] += first + second;
        weights[n][h] = pack<T>(first, second);
      }
      // Head 8n + 2t is lane g = 2t's.
      const float rescale_first = __shfl_sync(0xFFFFFFFFU, rescale, 8 * (lane % 4));
      const float rescale_second = __shfl_sync(0xFFFFFFFFU, rescale, 8 * (lane % 4) + 4);
#pragma unroll
      for (int c = 0; c < kDim / 64; ++c) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          values[c][j][n][0] *= rescale_first;
          values[c][j][n][1] *= rescale_second;
          values[c][j][n][2] *= rescale_first;
          values[c][j][n][3] *= rescale_second;
        }
      }
    }
  }

  // Adds a tile's weighted values.
  __device__ __forceinline__ void accumulate(const uint32_t (&weights)[kHeadTiles][2],
                                             const uint4* slot, const LanePlaces& places,
                                             int head_dim) {
    constexpr uint32_t kLowHalves = 0x5410;
    constexpr uint32_t kHighHalves = 0x7632;
#pragma unroll
    for (int c = 0; c < kDim / 64; ++c) {
      if (c * 64 >= head_dim) break;
      uint32_t piece[4][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const uint4 loaded = slot[places.value(i, c)];
        piece[i][0] = loaded.x;
        piece[i][1] = loaded.y;
        piece[i][2] = loaded.z;
        piece[i][3] = loaded.w;
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        // Row g is dimension 64c + 8g + 2j, row g + 8 the next one; columns are tokens.
        const uint32_t a[4] = {__byte_perm(piece[0][j], piece[1][j], kLowHalves),
                               __byte_perm(piece[0][j], piece[1][j], kHighHalves),
                               __byte_perm(piece[2][j], piece[3][j], kLowHalves),
                               __byte_perm(piece[2][j], piece[3][j], kHighHalves)};
#pragma unroll
        for (int n = 0; n < kHeadTiles; ++n) {
          mma_16x8x16<T>(values[c][j][n], a, weights[n][0], weights[n][1]);
        }
      }
    }
  }

  // merged: [group, head_dim] of this warp; stats: [8 * kHeadTiles] of this warp.
  __device__ void write(float* merged, float2* stats, int group, int head_dim, int lane) const {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
      const float total = lanes_sum<4>(sum[n]);
      if (lane % 4 == 0) stats[8 * n + lane / 4] = make_float2(maximum[n], total);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int head = 8 * n + 2 * (lane % 4) + i;
        if (head >= group) continue;
#pragma unroll
        for (int c = 0; c < kDim / 64; ++c) {
          const int dim = 64 * c + 8 * (lane / 4);
          if (dim >= head_dim) continue;
#pragma unroll
          for (int j = 0; j < 4; ++j) {
            store_vec<2>(merged + head * head_dim + dim + 2 * j,
                         Vec<float, 2>{{values[c][j][n][i], values[c][j][n][2 + i]}});
          }
        }
      }
    }
  }
};

// Joins the warps' results in warp order and stores them. merged: [kDecodeWarps, group, head_dim].
template <typename T>
__device__ void merge_warps(const DecodeArgs<T>& args, const DecodeWork& work, const float* merged,
                            const float2 (&stats)[kDecodeWarps][kMaxAttentionGroup]) {
  const int head_dim = args.heads.head_dim;
  const int head_quads = head_dim / 4;
  for (int i = static_cast<int>(threadIdx.x); i < work.group * head_quads; i += kDecodeThreads) {
    const int head = i / head_quads;
    const int dim = i % head_quads * 4;
    float maximum = kNegativeInfinity;
#pragma unroll
    for (int w = 0; w < kDecodeWarps; ++w) maximum = fmaxf(maximum, stats[w][head].x);
    float sum = 0.0F;
    Vec<float, 4> values = {};
#pragma unroll
    for (int w = 0; w < kDecodeWarps; ++w) {
      const float weight = exp2_fast(stats[w][head].x - maximum);  // 0 of a warp without tokens
      sum += weight * stats[w][head].y;
      const auto part = load_vec<4>(merged + (w * work.group + head) * head_dim + dim);
#pragma unroll
      for (int k = 0; k < 4; ++k) values.value[k] += weight * part.value[k];
    }
    store_result<4>(args, work, head, dim, values, maximum, sum);
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

// Puts them in the last tile, in the slot of the warp that fetched them; all its lanes call this.
template <int kDim>
__device__ __forceinline__ void put_newest(uint4* slot, const uint4* pieces, bool is_value,
                                           int token, int head_dim, int lane) {
  if (8 * lane < head_dim) {
    slot[place(token, lane)] = pieces[(is_value ? kDim / 8 : 0) + lane];
  }
  __syncwarp();
}

// kAppends: attention_decode_append().
template <typename T, int kDim, int kHeadTiles, bool kAppends>
__global__ void __launch_bounds__(kDecodeThreads, blocks_per_sm(kDim))
    decode_mma_kernel(const DecodeArgs<T> args) {
  constexpr int kRing = ring_slots(kDim);
  // Lines of 128 bytes that lie across two of shared memory's take 8 % more time (H100).
  extern __shared__ __align__(128) uint4 shared[];
  __shared__ float2 stats[kDecodeWarps][kMaxAttentionGroup];
  __shared__ uint4 newest_pieces[kAppends ? kDim / 4 : 1];
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
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int slot_size = slot_pieces(head_dim);
  uint4* ring = shared + warp * kRing * slot_size;
  const int32_t* pages = row_pages(args.kv, work.row);
  const int first_token = work.begin + warp * kTileTokens;
  constexpr int kStep = kDecodeWarps * kTileTokens;

  // With kAppends the newest token is not in the cache yet.
  const bool has_newest = kAppends && work.has_newest;
  const int cached_end = has_newest ? work.end - 1 : work.end;

  const LanePlaces places(lane);
  int64_t tile_offset = 0;  // of the tile that is copied
  uint4* const ring_end = ring + kRing * slot_size;
  const auto slot_after = [&](uint4* slot) {
    return slot + slot_size == ring_end ? ring : slot + slot_size;
  };
  // Item 2i is the keys and item 2i + 1 the values of the warp's tile i; each is copied once.
  const auto start_copy = [&](int item, uint4* slot) {
    const int token = first_token + item / 2 * kStep;
    if (token < work.end) {
      const bool is_value = item % 2 != 0;
      if (!is_value) {
        tile_offset = token_offset(pages[token / kPageSize], token, work.kv_head, args.heads);
      }
      copy_tile<kDim>(slot, (is_value ? args.kv.values : args.kv.keys) + tile_offset, places,
                      head_dim, cached_end - token, lane);
    }
    commit_copies();
  };
  uint4* slot = ring;
#pragma unroll
  for (int item = 0; item < kRing - 1; ++item) {
    start_copy(item, slot);
    slot = slot_after(slot);
  }
  // Waits for an item and starts the copy to the slot that was read last.
  const auto next_slot = [&](int item) {
    __syncwarp();  // all lanes have read it
    start_copy(item + kRing - 1, slot);
    wait_copies<kRing - 1>();
    __syncwarp();  // all lanes' copies have arrived
    slot = slot_after(slot);
    return slot;
  };
  if constexpr (kAppends) wait_for_previous_kernel();

  const float* cos_sin = nullptr;
  const int newest_token = args.kv.context_lens[work.row] - 1;
  if constexpr (kAppends) {
    if (args.append.rope_table != nullptr) {
      cos_sin = args.append.rope_table + static_cast<int64_t>(newest_token) * head_dim;
    }
    if (has_newest && (newest_token - work.begin) / kTileTokens % kDecodeWarps == warp) {
      fetch_newest<kDim>(
          newest_pieces, args, work,
          token_offset(pages[newest_token / kPageSize], newest_token, work.kv_head, args.heads),
          cos_sin, lane);
      __syncwarp();
    }
  }
  // The tile's keys or values, with those of the newest token where it is in the tile.
  const auto next_tile = [&](int item, int token) {
    uint4* tile = next_slot(item);
    if constexpr (kAppends) {
      if (has_newest && newest_token - token < kTileTokens) {
        put_newest<kDim>(tile, newest_pieces, item % 2 != 0, newest_token - token, head_dim, lane);
      }
    }
    return tile;
  };

  WarpState<T, kDim, kHeadTiles> state;
  state.init(args.qkv + work.row * qkv_stride(args.heads) +
                 static_cast<int64_t>(work.kv_head) * work.group * head_dim,
             cos_sin, work.group, head_dim, lane);
  const float scale_log2 = args.heads.scale * kLog2E;
  for (int item = 0, token = first_token; token < work.end; item += 2, token += kStep) {
    float scores[2][4];
    state.score(scores, next_tile(item, token), places, head_dim);
    uint32_t weights[kHeadTiles][2];
    state.soften(weights, scores, scale_log2, work.end - token, lane);
    state.accumulate(weights, next_tile(item + 1, token), places, head_dim);
  }

  // The rings become the place where the warps meet.
  wait_copies<0>();
  __syncthreads();
  float* merged = reinterpret_cast<float*>(shared);
  state.write(merged + warp * work.group * head_dim, stats[warp], work.group, head_dim, lane);
  __syncthreads();
  merge_warps(args, work, merged, stats);
  join_splits(args, work);
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
  launch_overlapped(kernel, grid, kDecodeThreads, shared_bytes, stream, args);
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
