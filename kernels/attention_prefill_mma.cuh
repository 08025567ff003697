// Prefill attention in fp16 and bf16: the kernel, of both variants.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <type_traits>

#include "kernels/async_copy.cuh"
#include "kernels/attention.cuh"
#include "kernels/attention_prefill.cuh"
#include "kernels/attention_rules.cuh"
#include "kernels/contract/host_device.h"
#include "kernels/cuda_check.h"
#include "kernels/mma.cuh"

namespace eet::kernels {

// fp16 and bf16, on tensor cores.
//
// Head sizes come in buckets: (0, 64], (64, 96], (96, 128], (128, 192], (192, 256], and, by rules
// alone, which have fewer below, (256, 512]. A bucket's kernel always runs the steps of the bucket
// below it and skips, 16 dimensions at a time, those beyond the head: its time follows the head
// size, not the bucket.
constexpr int bucket_below(int dim) {
  return dim == 512   ? 256
         : dim == 256 ? 192
         : dim == 192 ? 128
         : dim == 128 ? 96
         : dim == 96  ? 64
                      : 0;
}

template <int kDim>
struct MmaTiling {
  static constexpr int kNumWarps = 4;
  static constexpr int kThreads = 32 * kNumWarps;
  static constexpr int kRowTiles = kDim <= 128 ? 2 : 1;  // of 16 queries, in a warp
  static constexpr int kWarpQueries = 16 * kRowTiles;
  static constexpr int kQueries = kNumWarps * kWarpQueries;
  static constexpr int kSteps = kDim / 16;
  static constexpr int kSureSteps = bucket_below(kDim) / 16;
  // An odd count of 16-byte pieces: 8 rows of one column meet no bank twice.
  static constexpr int kStride = kDim * 2 + 16;  // bytes
  // The values of larger heads do not fit the registers: blocks of their own have the scores anew
  // and a part of the values.
  static constexpr int kValueDim = kDim <= 256 ? kDim : 256;
  static constexpr int kParts = kDim / kValueDim;
  static constexpr int kValueSteps = kValueDim / 16;
  static constexpr int kValueStride = kValueDim * 2 + 16;
  static constexpr int kSharedBytes = (kQueries + kKeyTile) * kStride + kKeyTile * kValueStride;
};

// One warp's online softmax. Lane = 4 * g + t; of each tile of 16 queries a lane holds rows g and
// g + 8 ("halves").
template <typename T, int kDim, typename Rules>
struct WarpAttention {
  using Tiling = MmaTiling<kDim>;
  static constexpr int kRowTiles = Tiling::kRowTiles;
  static constexpr int kStride = Tiling::kStride;
  static constexpr int kKeyBlocks = kKeyTile / 8;

  float values[kRowTiles][Tiling::kValueDim / 8][4];
  float maximum[kRowTiles][2];
  float sum[kRowTiles][2];  // of this lane's keys
  int steps;                // of 16 dimensions, that the head has
  int value_steps;          // likewise, that the block's part of the values has
  int lane;

  // first_dim: of the block's part of the values.
  __device__ __forceinline__ WarpAttention(int head_dim, int first_dim, int warp_lane)
      : values{},
        sum{},
        steps((head_dim + 15) / 16),
        value_steps(min(Tiling::kValueSteps, (head_dim - first_dim + 15) / 16)),
        lane(warp_lane) {
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) maximum[r][0] = maximum[r][1] = kNegativeInfinity;
  }

  __device__ __forceinline__ bool has_step(int step) const {
    return step < Tiling::kSureSteps || step < steps;
  }
  __device__ __forceinline__ bool has_value_step(int step) const {
    return Tiling::kParts == 1 ? has_step(step) : step < value_steps;
  }

  // scores = queries · keysᵀ. queries: the warp's rows in shared memory; keys: the tile.
  __device__ __forceinline__ void score(float (&scores)[kRowTiles][kKeyBlocks][4], uint32_t queries,
                                        uint32_t keys) const {
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) {
#pragma unroll
      for (int b = 0; b < kKeyBlocks; ++b) {
#pragma unroll
        for (int i = 0; i < 4; ++i) scores[r][b][i] = 0.0F;
      }
    }
    const uint32_t my_queries = queries + lane % 16 * kStride + lane / 16 * 16;
    const uint32_t my_keys = keys + (lane % 8 + lane / 16 * 8) * kStride + lane / 8 % 2 * 16;
#pragma unroll
    for (int step = 0; step < Tiling::kSteps; ++step) {
      if (!has_step(step)) break;
      uint32_t a[kRowTiles][4];
#pragma unroll
      for (int r = 0; r < kRowTiles; ++r) {
        load_matrices(a[r], my_queries + r * 16 * kStride + step * 32);
      }
#pragma unroll
      for (int b = 0; b < kKeyBlocks; b += 2) {
        uint32_t key[4];  // of blocks b and b + 1
        load_matrices(key, my_keys + b * 8 * kStride + step * 32);
#pragma unroll
        for (int r = 0; r < kRowTiles; ++r) {
          mma_16x8x16<T>(scores[r][b], a[r], key[0], key[1]);
          mma_16x8x16<T>(scores[r][b + 1], a[r], key[2], key[3]);
        }
      }
    }
  }

  // Hides the keys that a query may not see. `query` is the warp's first, `key` the tile's first.
  __device__ __forceinline__ void mask(float (&scores)[kRowTiles][kKeyBlocks][4],
                                       const QueryTile& tile, int query, int key) const {
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int last = tile.last_key(query + r * 16 + half * 8 + lane / 4) - key;
#pragma unroll
        for (int b = 0; b < kKeyBlocks; ++b) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            if (b * 8 + lane % 4 * 2 + i > last) scores[r][b][half * 2 + i] = kNegativeInfinity;
          }
        }
      }
    }
  }

  // The same by rules, windows included.
  __device__ __forceinline__ void mask(float (&scores)[kRowTiles][kKeyBlocks][4],
                                       const ScoreRules& rules, const QueryTile& tile, int query,
                                       int key) const {
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int i_query = query + r * 16 + half * 8 + lane / 4;
        const int last = tile.last_key(i_query) - key;
        const int first = first_key(rules, tile, i_query) - key;
#pragma unroll
        for (int b = 0; b < kKeyBlocks; ++b) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const int column = b * 8 + lane % 4 * 2 + i;
            if (column > last || column < first) scores[r][b][half * 2 + i] = kNegativeInfinity;
          }
        }
      }
    }
  }

  // Makes products q·k scores in powers of two.
  __device__ __forceinline__ void shape(float (&scores)[kRowTiles][kKeyBlocks][4],
                                        const ScoreShape<T>& shape_of, float slope,
                                        const QueryTile& tile, int query, int key) const {
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int position = tile.position + query + r * 16 + half * 8 + lane / 4;
        const int distance = key + lane % 4 * 2 - position;
#pragma unroll
        for (int b = 0; b < kKeyBlocks; ++b) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            float& score = scores[r][b][half * 2 + i];
            score = shape_of(score, slope, distance + b * 8 + i);
          }
        }
      }
    }
  }

  // Turns scores into weights and rescales what was summed so far. Without windows key 0 is seen by
  // every query, so the maximum is finite from the first tile on. A tile that is wholly hidden from
  // a query changes none of its bits.
  __device__ __forceinline__ void soften(float (&scores)[kRowTiles][kKeyBlocks][4],
                                         float scale_log2) {
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) {
      float rescale[2];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float tile_maximum = kNegativeInfinity;
#pragma unroll
        for (int b = 0; b < kKeyBlocks; ++b) {
          tile_maximum =
              fmaxf(tile_maximum, fmaxf(scores[r][b][half * 2], scores[r][b][half * 2 + 1]));
        }
        const float new_maximum = fmaxf(maximum[r][half], lanes_max<4>(tile_maximum) * scale_log2);
        const float shift = softmax_shift(Rules{}, new_maximum);
        rescale[half] = exp2_fast(maximum[r][half] - shift);
        maximum[r][half] = new_maximum;
        float tile_sum = 0.0F;
#pragma unroll
        for (int b = 0; b < kKeyBlocks; ++b) {
#pragma unroll
          for (int i = half * 2; i < half * 2 + 2; ++i) {
            scores[r][b][i] = exp2_fast(fmaf(scores[r][b][i], scale_log2, -shift));
            tile_sum += scores[r][b][i];
          }
        }
        sum[r][half] = sum[r][half] * rescale[half] + tile_sum;
      }
      // Maxima settle after a few tiles.
      if (__all_sync(0xFFFFFFFFU, rescale[0] == 1.0F && rescale[1] == 1.0F)) continue;
#pragma unroll
      for (int d = 0; d < Tiling::kValueDim / 8; ++d) {
#pragma unroll
        for (int i = 0; i < 4; ++i) values[r][d][i] *= rescale[i / 2];
      }
    }
  }

  // values += weights · tile of values.
  __device__ __forceinline__ void accumulate(const float (&weights)[kRowTiles][kKeyBlocks][4],
                                             uint32_t tile) {
    constexpr int kRow = Tiling::kValueStride;
    const uint32_t my_values = tile + lane % 16 * kRow + lane / 16 * 16;
#pragma unroll
    for (int b = 0; b < kKeyBlocks; b += 2) {
      uint32_t a[kRowTiles][4];
#pragma unroll
      for (int r = 0; r < kRowTiles; ++r) {
        a[r][0] = pack<T>(weights[r][b][0], weights[r][b][1]);
        a[r][1] = pack<T>(weights[r][b][2], weights[r][b][3]);
        a[r][2] = pack<T>(weights[r][b + 1][0], weights[r][b + 1][1]);
        a[r][3] = pack<T>(weights[r][b + 1][2], weights[r][b + 1][3]);
      }
#pragma unroll
      for (int step = 0; step < Tiling::kValueSteps; ++step) {
        if (!has_value_step(step)) break;
        uint32_t value[4];  // of dimensions 16 * step and the next 8
        load_matrices_transposed(value, my_values + b * 8 * kRow + step * 32);
#pragma unroll
        for (int r = 0; r < kRowTiles; ++r) {
          mma_16x8x16<T>(values[r][2 * step], a[r], value[0], value[1]);
          mma_16x8x16<T>(values[r][2 * step + 1], a[r], value[2], value[3]);
        }
      }
    }
  }

  // Writes the averages to the warp's rows of shared memory, in T.
  __device__ __forceinline__ void write(char* rows, const Rules& rules,
                                        const QueryTile& tile) const {
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float inverse =
            inverse_sum(rules, tile, maximum[r][half], lanes_sum<4>(sum[r][half]));
        char* row = rows + (r * 16 + half * 8 + lane / 4) * kStride + lane % 4 * 4;
#pragma unroll
        for (int d = 0; d < Tiling::kValueDim / 8; ++d) {
          *reinterpret_cast<uint32_t*>(row + d * 16) =
              pack<T>(values[r][d][half * 2] * inverse, values[r][d][half * 2 + 1] * inverse);
        }
      }
    }
  }
};

template <typename T, int kDim, typename Rules>
__global__ void __launch_bounds__(MmaTiling<kDim>::kThreads)
    prefill_mma_kernel(const PrefillArgs<T> args, const Rules rules) {
  using Tiling = MmaTiling<kDim>;
  constexpr bool kIsPlain = std::is_same_v<Rules, NoScoreRules>;
  constexpr int kStride = Tiling::kStride;
  extern __shared__ uint4 shared[];
  const QueryTile tile = find_queries<Tiling::kQueries, Tiling::kParts>(args);
  if (tile.num_pads == tile.num_tokens) {
    write_zeros(args, tile);
    return;
  }
  const int head_dim = args.heads.head_dim;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  char* query_rows = reinterpret_cast<char*>(shared);
  const uint32_t queries = shared_address(query_rows);
  const uint32_t keys = queries + Tiling::kQueries * kStride;
  const uint32_t values = keys + kKeyTile * kStride;

  const int32_t* page_ids = row_pages(args.kv, static_cast<int>(blockIdx.z));
  // Of the values that the block has.
  const int first_dim =
      Tiling::kParts == 1 ? 0 : static_cast<int>(blockIdx.y) % Tiling::kParts * Tiling::kValueDim;
  WarpAttention<T, kDim, Rules> state(head_dim, first_dim, lane);
  const CopyPlan plan(max(state.steps, Tiling::kSureSteps) * 2, Tiling::kThreads);
  const CopyPlan value_plan =
      Tiling::kParts == 1 ? plan : CopyPlan(state.value_steps * 2, Tiling::kThreads);
  const int num_tiles = tile.num_key_tiles();
  const int warp_query = warp * Tiling::kWarpQueries;
  const int warp_last_key = tile.last_key(warp_query + Tiling::kWarpQueries - 1);
  const uint32_t warp_queries = queries + warp_query * kStride;
  const float scale_log2 = args.heads.scale * kLog2E;

  copy_queries<Tiling::kQueries>(queries, kStride, args, tile, plan);
  const int first_tile = first_key_tile(rules, tile);
  copy_cached(keys, kStride, args.kv.keys, page_ids, first_tile * kKeyTile, tile, args.heads, plan);
  commit_copies();
  for (int t = first_tile; t < num_tiles; ++t) {
    const int key = t * kKeyTile;
    // Warps whose queries lie beyond the tokens, or before this tile, only help to copy.
    bool has_work = warp_query < tile.num_tokens && key <= warp_last_key;
    if constexpr (!kIsPlain) {
      has_work = has_work && key + kKeyTile > first_key(rules, tile, warp_query);
    }
    wait_copies<0>();
    __syncthreads();  // the keys are there, the last values are read
    copy_cached(values, Tiling::kValueStride, args.kv.values, page_ids, key, tile, args.heads,
                value_plan, first_dim);
    commit_copies();
    float factor = scale_log2;
    float scores[Tiling::kRowTiles][kKeyTile / 8][4];
    if (has_work) {
      state.score(scores, warp_queries, keys);
      const bool is_last = key + kKeyTile - 1 > tile.last_key(warp_query);
      if constexpr (kIsPlain) {
        if (is_last) state.mask(scores, tile, warp_query, key);
      } else {
        if (shapes_scores(rules)) {
          state.shape(scores, ScoreShape<T>(rules, args.heads.scale), slope_log2(rules, tile.head),
                      tile, warp_query, key);
          factor = 1.0F;
        }
        const bool is_first = key < first_key(rules, tile, warp_query + Tiling::kWarpQueries - 1);
        if (is_first || is_last) state.mask(scores, rules, tile, warp_query, key);
      }
    }
    wait_copies<0>();
    __syncthreads();  // the values are there, the keys are read
    if (t + 1 < num_tiles) {
      copy_cached(keys, kStride, args.kv.keys, page_ids, key + kKeyTile, tile, args.heads, plan);
      commit_copies();
    }
    if (has_work) {
      state.soften(scores, factor);
      state.accumulate(scores, values);
    }
  }

  // The warp's queries make room for its results, which leave in whole pieces.
  if (warp_query >= tile.num_tokens) return;
  state.write(query_rows + warp_query * kStride, rules, tile);
  __syncwarp();
  const int row_pieces =
      (Tiling::kParts == 1 ? head_dim : min(Tiling::kValueDim, head_dim - first_dim)) / 8;
  const int num_rows = min(Tiling::kWarpQueries, tile.num_tokens - warp_query);
  for (int i = lane; i < num_rows * row_pieces; i += 32) {
    const int query = warp_query + i / row_pieces;
    const int piece = i % row_pieces;
    const uint4 result =
        tile.is_real(query)
            ? *reinterpret_cast<const uint4*>(query_rows + query * kStride + piece * 16)
            : make_uint4(0, 0, 0, 0);
    *reinterpret_cast<uint4*>(args.out + out_offset(tile, query, args.heads) + first_dim +
                              piece * 8) = result;
  }
}

template <typename T, int kDim, typename Rules>
void launch_prefill_kernel(const PrefillArgs<T>& args, const Rules& rules, int num_rows,
                           int max_query_len, cudaStream_t stream) {
  using Tiling = MmaTiling<kDim>;
  const auto kernel = prefill_mma_kernel<T, kDim, Rules>;
  CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  Tiling::kSharedBytes));
  const dim3 grid(static_cast<unsigned>(ceil_div(max_query_len, Tiling::kQueries)),
                  static_cast<unsigned>(args.heads.num_heads * Tiling::kParts),
                  static_cast<unsigned>(num_rows));
  kernel<<<grid, Tiling::kThreads, Tiling::kSharedBytes, stream>>>(args, rules);
  CUDA_CHECK_LAUNCH();
}

}  // namespace eet::kernels
