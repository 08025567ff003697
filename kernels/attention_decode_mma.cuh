// Decode attention in fp16 and bf16: the kernel, of both variants.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <type_traits>

#include "kernels/async_copy.cuh"
#include "kernels/attention.cuh"
#include "kernels/attention_decode.cuh"
#include "kernels/attention_decode_append.cuh"
#include "kernels/attention_decode_ring.cuh"
#include "kernels/attention_rules.cuh"
#include "kernels/launch.cuh"
#include "kernels/mma.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {

// fp16 and bf16, on tensor cores.
//
// A warp takes every fourth tile of 16 tokens and has its own ring of slots in shared memory
// (kernels/attention_decode_ring.cuh). Keys and values are the products' first operands, whose 16
// rows are all in use, and the query heads are the 8 columns of the second: scoresᵀ = keys ·
// queriesᵀ and valuesᵀ · weightsᵀ. Between the two the weights change places among the lanes, see
// transpose_tile().
//
// Instructions are spared here although they take no time: the steps of a large batch are at the
// GPU's power limit, so what they take in energy slows the products down. On an H100, 256 rows of
// 560 tokens, 32/8 heads of 128, take 105 mJ and 196.5 us (reading as many bytes takes 95 mJ)
// with about 150 instructions a tile, and took 115 mJ and 198.4 us with 500; a step of Llama-3 8B
// takes 13.86 to 13.93 ms and took 14.06 to 14.08.

// Floats from a head to the next where warps meet: lanes of four pairs of heads meet in no bank.
__host__ __device__ constexpr int merged_stride(int head_dim) {
  return head_dim + 4;
}

// The block's query heads in shared memory, zeros beyond the group and the head.
template <int kDim, int kHeadTiles>
struct QueryRoom {
  static constexpr int kHeadPieces = kDim / 8;
  static constexpr int kPieces = 8 * kHeadTiles * kHeadPieces;

  // The work of all threads. room: [kPieces].
  template <typename T, typename Turn>
  static __device__ __forceinline__ void fill(uint4* room, const T* q, const Turn& turn, int group,
                                              int head_dim) {
#pragma unroll
    for (int i = static_cast<int>(threadIdx.x); i < kPieces; i += kDecodeThreads) {
      const int head = i / kHeadPieces;
      const int piece = i % kHeadPieces;
      const bool valid = head < group && 8 * piece < head_dim;
      room[head * kHeadPieces + (piece ^ head % 8)] =
          valid ? load_piece(q + head * head_dim, 8 * piece, head_dim, turn)
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

  __device__ __forceinline__ void take_queries(uint32_t room, int lane) {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int quad = 0; quad < kDim / 32; ++quad) {
        QueryRoom<kDim, kHeadTiles>::load(queries[quad][n], room, n, quad, lane);
      }
    }
  }

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        maximum[n][i] = kNegativeInfinity;
        sum[n][i] = 0.0F;
      }
#pragma unroll
      for (int k = 0; k < kDim / 16; ++k) {
#pragma unroll
        for (int i = 0; i < 4; ++i) values[k][n][i] = 0.0F;
      }
    }
  }

  // scores[n]: tokens g (0, 1) and g + 8 (2, 3) of heads 8n + 2t and + 1.
  template <typename Places>
  __device__ __forceinline__ void score(float (&scores)[kHeadTiles][4], uint32_t slot,
                                        const Places& places, int head_dim) const {
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

  // Makes tokens of the tile before `first` count for nothing.
  static __device__ __forceinline__ void hide_before(float (&scores)[kHeadTiles][4], int first,
                                                     int lane) {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (i / 2 * 8 + lane / 4 < first) scores[n][i] = kNegativeInfinity;
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
    weigh(weights, scores, scale_log2);
  }

  // Turns scores into weights by the maxima in use.
  __device__ __forceinline__ void weigh(uint32_t (&weights)[kHeadTiles][2],
                                        const float (&scores)[kHeadTiles][4], float scale_log2) {
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
  template <typename Places>
  __device__ __forceinline__ void accumulate(const uint32_t (&weights)[kHeadTiles][2],
                                             uint32_t slot, const Places& places, int head_dim) {
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

  // Takes up the state of a warp that ChainStates::store() left. What other columns hold does not
  // matter, but for their maxima, which are those of scores of 0.
  __device__ __forceinline__ void load(const float* state, int group, int head_dim, int lane) {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int head = 8 * n + 2 * (lane % 4) + i;
        maximum[n][i] = 0.0F;
        if (head >= group) continue;
        const float* from = state + head * prefix_state_stride(head_dim);
        maximum[n][i] = __ldcg(from + head_dim + 8);
        sum[n][i] = __ldcg(from + head_dim + lane / 4);
#pragma unroll
        for (int k = 0; k < kDim / 16; ++k) {
          values[k][n][i] = __ldcg(from + 16 * k + lane / 4);
          values[k][n][2 + i] = __ldcg(from + 16 * k + 8 + lane / 4);
        }
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

// Joins the warps' results of a head in warp order and stores them, one warp's work. merged:
// [kDecodeWarps, group, merged_stride(head_dim)]; stats: [kDecodeWarps, stats_stride].
template <typename T, typename Rules>
__device__ __forceinline__ void merge_head(const DecodeArgs<T>& args, const Rules& rules,
                                           const typename Rules::Work& work, int head,
                                           const float* merged, const float2* stats,
                                           int stats_stride) {
  const int head_dim = args.heads.head_dim;
  const int stride = merged_stride(head_dim);
  float maximum = kNegativeInfinity;
#pragma unroll
  for (int w = 0; w < kDecodeWarps; ++w) {
    maximum = fmaxf(maximum, stats[w * stats_stride + head].x);
  }
  float weights[kDecodeWarps];
  float sum = 0.0F;
#pragma unroll
  for (int w = 0; w < kDecodeWarps; ++w) {
    const float2 part = stats[w * stats_stride + head];
    weights[w] = exp2_fast(part.x - maximum);  // 0 of a warp without tokens
    sum += weights[w] * part.y;
  }
  for (int dim = static_cast<int>(threadIdx.x) % 32 * 4; dim < head_dim; dim += 32 * 4) {
    Vec<float, 4> values = {};
#pragma unroll
    for (int w = 0; w < kDecodeWarps; ++w) {
      const auto part = load_vec<4>(merged + (w * work.group + head) * stride + dim);
#pragma unroll
      for (int k = 0; k < 4; ++k) values.value[k] += weights[w] * part.value[k];
    }
    store_result<4>(args, rules, work, head, dim, values, maximum, sum);
  }
}

// That of all heads of a block, each by one of its kDecodeWarps warps.
template <typename T, typename Rules>
__device__ __forceinline__ void merge_warps(const DecodeArgs<T>& args, const Rules& rules,
                                            const typename Rules::Work& work, const float* merged,
                                            const float2 (&stats)[kDecodeWarps][Rules::kMaxGroup]) {
  for (int head = static_cast<int>(threadIdx.x) / 32; head < work.group; head += kDecodeWarps) {
    merge_head(args, rules, work, head, merged, stats[0], Rules::kMaxGroup);
  }
}

// ScoreRules of a lane's heads.
template <typename T, int kHeadTiles>
class LaneScores {
 public:
  __device__ __forceinline__ LaneScores(const LayerRules& rules, const RuledWork& work, float scale,
                                        int lane)
      : shape_(rules.scores, scale), shapes_(shapes_scores(rules.scores)), lane_(lane) {
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int head = 8 * n + 2 * (lane % 4) + i;
        slopes_[n][i] = head < work.group ? slope_log2(rules.scores, work.first_head + head) : 0.0F;
      }
    }
  }

  // Makes products q·k scores, in powers of two, of a tile that begins `distance` from the query.
  // Returns what they are to be multiplied with still.
  __device__ __forceinline__ float shape(float (&scores)[kHeadTiles][4], int distance,
                                         float scale_log2) const {
    if (!shapes_) return scale_log2;
#pragma unroll
    for (int n = 0; n < kHeadTiles; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        scores[n][i] = shape_(scores[n][i], slopes_[n][i % 2], distance + i / 2 * 8 + lane_ / 4);
      }
    }
    return 1.0F;
  }

 private:
  ScoreShape<T> shape_;
  bool shapes_;
  int lane_;
  float slopes_[kHeadTiles][2];
};

// The plain variant's scores are products times scale.
template <typename T, int kHeadTiles>
struct PlainScores {
  __device__ __forceinline__ PlainScores(const PlainRules&, const DecodeWork&, float, int) {}
};

// What is left of rows that go on behind shared pages is mostly short. A block of 16 query heads
// has no registers to spare for that.
template <typename Rules>
__host__ __device__ constexpr bool has_short_ring(int head_tiles) {
  return Rules::kContinues && head_tiles == 1;
}

// kAppends: attention_decode_append().
template <typename T, int kDim, int kHeadTiles, bool kAppends, typename Rules>
__global__ void __launch_bounds__(kDecodeThreads,
                                  blocks_per_sm(kDim, has_short_ring<Rules>(kHeadTiles)))
    decode_mma_kernel(const __grid_constant__ MmaArgs<T> mma_args,
                      const __grid_constant__ Rules rules) {
  static_assert(8 * kHeadTiles <= Rules::kMaxGroup && kDim <= Rules::kMaxHeadDim);
  using Ring = TileRing<T, kDim, has_short_ring<Rules>(kHeadTiles)>;
  using Room = QueryRoom<kDim, kHeadTiles>;
  extern __shared__ __align__(1024) uint4 shared[];  // as the copies' swizzle wants it
  __shared__ float2 stats[kDecodeWarps][Rules::kMaxGroup];
  __shared__ uint4 newest_pieces[kAppends ? kDim / 4 : 1];
  __shared__ uint4 query_pieces[Room::kPieces];
  __shared__ uint64_t arrived[kDecodeWarps][Ring::kSlots];
  const DecodeArgs<T>& args = mma_args.decode;
  // With the newest tokens in qkv, all else that is read is older than the kernel before. On an
  // H100 this gives 0.6 (Llama-3 8B) to 2 % of a step of 32 rows (GPT-2 XL, 4.10 and 4.01 ms).
  if constexpr (!kAppends) wait_for_previous_kernel();
  auto work = find_work<kTileTokens>(args, rules);
  if (is_idle(work)) return;
  if (work.begin >= work.end) {
    if constexpr (kAppends) wait_for_previous_kernel();
    finish_without_tokens(args, work);
    return;
  }
  bool continues = false;  // what decode_prefix_kernel began
  if constexpr (Rules::kContinues) {
    const int prefix_end = rules.prefix_end(work);
    continues = prefix_end > work.begin;
    if (continues) work.begin = prefix_end;
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

  WarpState<T, kDim, kHeadTiles> state;
  state.clear();
  if constexpr (Rules::kContinues) {  // first, so that it comes while queries do
    if (continues) state.load(rules.state_of(args, work, warp), work.group, head_dim, lane);
  }
  decltype(turn_of(args, work, rules, 0, 0)) turn{};
  if constexpr (kAppends) {
    const int newest = work.context_len - 1;
    turn = turn_of(args, work, rules, newest, head_dim);
    // The last warp's part of most groups' queries is zeros.
    if (num_newest > 0 && warp == kDecodeWarps - 1) {
      const int page = work.pages[newest / kPageSize];
      fetch_newest<kDim>(newest_pieces, args, work,
                         token_offset(page, newest, work.kv_head, args.heads), turn, lane);
    }
  }
  Room::fill(query_pieces,
             args.qkv + work.row * qkv_stride(args.heads) + queries_offset(work, head_dim), turn,
             work.group, head_dim);
  __syncthreads();
  state.take_queries(shared_address(query_pieces), lane);

  const LanePlaces places(lane);
  const float scale_log2 = args.heads.scale * kLog2E;
  using Scores =
      std::conditional_t<Rules::kIsPlain, PlainScores<T, kHeadTiles>, LaneScores<T, kHeadTiles>>;
  const Scores lane_scores(rules, work, args.heads.scale, lane);
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
      float factor = scale_log2;
      if constexpr (!Rules::kIsPlain) {
        const int tile = work.end - left;
        factor = lane_scores.shape(scores, tile - (work.context_len - 1), scale_log2);
        if (tile < work.first_key) state.hide_before(scores, work.first_key - tile, lane);
      }
      if (!is_whole) state.hide_after(scores, left, lane);
      uint32_t weights[kHeadTiles][2];
      state.soften(weights, scores, factor);
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
  merge_warps(args, rules, work, merged, stats);
  join_splits(args, rules, work);
}

template <typename T, int kDim, typename Rules>
void launch_decode_kernel(void (*kernel)(MmaArgs<T>, Rules), const DecodeArgs<T>& args,
                          const Rules& rules, dim3 grid, cudaStream_t stream) {
  // No SM is to hold more than its share of the blocks: they start when the kernel before ends, on
  // some SMs earlier than on others.
  const auto num_blocks = static_cast<int64_t>(grid.x) * grid.y * grid.z;
  const int64_t share = ceil_div<int64_t>(num_blocks, num_multiprocessors());
  const int shared_bytes = std::max(
      ring_bytes(kDim, args.heads.head_dim, has_short_ring<Rules>(args.group <= 8 ? 1 : 2)),
      static_cast<int>(shared_bytes_per_multiprocessor() / (share + 1)));
  CUDA_CHECK(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                                  cudaSharedmemCarveoutMaxShared));
  const MmaArgs<T> mma_args = {
      .decode = args,
      .maps = is_hopper_code(kernel) ? page_maps(args.kv, args.heads, kTileTokens) : PageMaps{}};
  launch_overlapped(kernel, grid, kDecodeThreads, shared_bytes, stream, mma_args, rules);
}

}  // namespace eet::kernels
