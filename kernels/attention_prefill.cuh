// What the prefill attention kernels share: which queries a block has, and how tiles are copied.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/async_copy.cuh"
#include "kernels/attention.cuh"
#include "kernels/attention_rules.cuh"
#include "kernels/contract/kv_layout.h"
#include "kernels/paged_attention.h"
#include "kernels/vector.cuh"

namespace eet::kernels {

// Keys of a tile. Tiles begin at multiples of it in the row, whatever the queries.
inline constexpr int kKeyTile = 64;
static_assert(kPageSize % kKeyTile == 0);

template <typename T>
struct PrefillArgs {
  T* out;
  const T* qkv;
  PagedKv<T> kv;
  AttentionHeads heads;
  const int32_t* cu_seqlens;
  const int32_t* pad_counts;
};

// The queries of one block: consecutive tokens of a row, for one head.
struct QueryTile {
  int first_token;
  int num_tokens;  // at most the tile's size; none beyond the row's end
  int num_pads;    // of them, from the first on
  int position;    // of the first token, were it no pad
  int context_len;
  int head;
  int kv_head;

  // The last key that query i of the tile sees. Pads see key 0, so that their arithmetic is sound.
  __device__ __forceinline__ int last_key(int i) const { return max(position + i, 0); }
  __device__ __forceinline__ bool is_real(int i) const { return i >= num_pads && i < num_tokens; }
  __device__ __forceinline__ int num_key_tiles() const {
    return last_key(num_tokens - 1) / kKeyTile + 1;
  }
};

// kParts: blocks that share a head's queries.
template <int kQueries, int kParts = 1, typename T>
__device__ __forceinline__ QueryTile find_queries(const PrefillArgs<T>& args) {
  const int row = static_cast<int>(blockIdx.z);
  const int begin = args.cu_seqlens[row];
  const int query_len = args.cu_seqlens[row + 1] - begin;
  // The last tiles of a row see most keys: they start first.
  const int first = static_cast<int>(gridDim.x - 1 - blockIdx.x) * kQueries;
  QueryTile tile;
  tile.first_token = begin + first;
  tile.num_tokens = max(0, min(kQueries, query_len - first));
  tile.num_pads = max(0, min(tile.num_tokens, args.pad_counts[row] - first));
  tile.context_len = args.kv.context_lens[row];
  tile.position = tile.context_len - query_len + first;
  tile.head = static_cast<int>(blockIdx.y) / kParts;
  tile.kv_head = tile.head / (args.heads.num_heads / args.heads.num_kv_heads);
  return tile;
}

// The first key that query i of the tile sees.
__device__ __forceinline__ int first_key(const ScoreRules& rules, const QueryTile& tile, int i) {
  return first_key(rules, tile.position + i);
}
// The first of the tiles of keys that real queries of the tile see. Pads, which lie before them,
// may see none.
__device__ __forceinline__ int first_key_tile(const NoScoreRules&, const QueryTile&) {
  return 0;
}
__device__ __forceinline__ int first_key_tile(const ScoreRules& rules, const QueryTile& tile) {
  return first_key(rules, tile, tile.num_pads) / kKeyTile;
}

// 1 / the softmax's denominator of a query, from the sum of its weights.
__device__ __forceinline__ float inverse_sum(const NoScoreRules&, const QueryTile&, float,
                                             float sum) {
  return 1.0F / sum;
}
__device__ __forceinline__ float inverse_sum(const ScoreRules& rules, const QueryTile& tile,
                                             float maximum, float sum) {
  return inverse_denominator(rules, tile.head, maximum, sum);
}

// What scores are compared with: their maximum, or, while a query has seen no key, anything finite.
__device__ __forceinline__ float softmax_shift(const NoScoreRules&, float maximum) {
  return maximum;
}
__device__ __forceinline__ float softmax_shift(const ScoreRules&, float maximum) {
  return maximum == kNegativeInfinity ? 0.0F : maximum;
}

// Element offset of token i of the tile in out.
__device__ __forceinline__ int64_t out_offset(const QueryTile& tile, int i,
                                              const AttentionHeads& heads) {
  return (static_cast<int64_t>(tile.first_token + i) * heads.num_heads + tile.head) *
         heads.head_dim;
}

template <typename T>
__device__ void write_zeros(const PrefillArgs<T>& args, const QueryTile& tile) {
  const int head_dim = args.heads.head_dim;
  for (int i = static_cast<int>(threadIdx.x); i < tile.num_tokens * head_dim;
       i += static_cast<int>(blockDim.x)) {
    args.out[out_offset(tile, i / head_dim, args.heads) + i % head_dim] = from_float<T>(0.0F);
  }
}

// How a block's threads share the 16-byte pieces of [rows, row_pieces] tiles: each keeps its place
// in the rows and takes every rows_per_pass-th row. The last threads may have none.
struct CopyPlan {
  int row;
  int piece;
  int rows_per_pass;

  __device__ __forceinline__ CopyPlan(int row_pieces, int num_threads)
      : row(static_cast<int>(threadIdx.x) / row_pieces),
        piece(static_cast<int>(threadIdx.x) % row_pieces),
        rows_per_pass(num_threads / row_pieces) {}
};

// Starts copying rows of `head_dim` elements, `source_stride` apart, to rows of `kStride` bytes in
// shared memory. Zeros stand for rows that are not valid and for what lies beyond head_dim.
template <int kRows, typename T, typename IsValid>
__device__ __forceinline__ void copy_rows(uint32_t shared, int stride_bytes, const T* source,
                                          int64_t source_stride, int head_dim, const CopyPlan& plan,
                                          IsValid is_valid) {
  const int column = plan.piece * kVecWidth<T>;
  if (plan.row >= plan.rows_per_pass) return;
  const T* from = source + plan.row * source_stride + column;
  uint32_t to = shared + plan.row * stride_bytes + plan.piece * 16;
#pragma unroll 4
  for (int row = plan.row; row < kRows; row += plan.rows_per_pass) {
    copy_async_16(to, from, column < head_dim && is_valid(row));
    from += plan.rows_per_pass * source_stride;
    to += plan.rows_per_pass * stride_bytes;
  }
}

// The key or value tile that begins at `key`, of keys that are in the cache: the rest of a page was
// never written. Dimensions from first_dim on.
template <typename T>
__device__ __forceinline__ void copy_cached(uint32_t shared, int stride_bytes, const T* pages,
                                            const int32_t* page_ids, int key, const QueryTile& tile,
                                            const AttentionHeads& heads, const CopyPlan& plan,
                                            int first_dim = 0) {
  const int num_keys = tile.context_len - key;
  copy_rows<kKeyTile>(
      shared, stride_bytes,
      pages + token_offset(page_ids[key / kPageSize], key, tile.kv_head, heads) + first_dim,
      heads.head_dim, heads.head_dim - first_dim, plan, [=](int row) { return row < num_keys; });
}

template <int kQueries, typename T>
__device__ __forceinline__ void copy_queries(uint32_t shared, int stride_bytes,
                                             const PrefillArgs<T>& args, const QueryTile& tile,
                                             const CopyPlan& plan, int first_dim = 0) {
  const int64_t stride = qkv_stride(args.heads);
  copy_rows<kQueries>(shared, stride_bytes,
                      args.qkv + tile.first_token * stride +
                          static_cast<int64_t>(tile.head) * args.heads.head_dim + first_dim,
                      stride, args.heads.head_dim - first_dim, plan,
                      [&](int row) { return tile.is_real(row); });
}

// Rules: NoScoreRules, ScoreRules or, of 16-bit types and heads up to 256, WindowRules.
//
// attention_prefill_fp32.cu
template <typename Rules>
void launch_prefill_fp32(const PrefillArgs<float>& args, const Rules& rules, int num_rows,
                         int max_query_len, cudaStream_t stream);
// attention_prefill_plain.cu and attention_prefill_rules.cu. T: 16-bit.
template <typename T, typename Rules>
void launch_prefill_mma(const PrefillArgs<T>& args, const Rules& rules, int num_rows,
                        int max_query_len, cudaStream_t stream);

}  // namespace eet::kernels
