// What the decode attention kernels share: how a row is split over blocks, and where results go.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/attention.cuh"
#include "kernels/attention_decode.h"
#include "kernels/attention_rules.cuh"
#include "kernels/contract/host_device.h"
#include "kernels/contract/kv_layout.h"
#include "kernels/contract/shared_prefixes.h"
#include "kernels/paged_attention.h"
#include "kernels/vector.cuh"

namespace eet::kernels {

inline constexpr int kDecodeWarps = 4;
inline constexpr int kDecodeThreads = 32 * kDecodeWarps;

// A split has at least this many pages: starting, ending and joining smaller ones costs more than
// the parallelism gains once a batch fills the GPU. On an H100 with 4, 6 and 8 pages, 32/8 heads of
// 128: 128 rows of 1024 tokens 191, 182 and 182 us; 16 rows 28.5, 26.2 and 26.2; 64 rows of 2000
// tokens 187, 185 and 183; one row of 1024 tokens 12, 17 and 17.
inline constexpr int kMinPagesPerSplit = 8;
inline constexpr int kMaxSplits = 32;  // of a row: bounds the scratch

struct Splits {
  int tokens_per_split;
  int count;
};

// The last split has at least half as many pages as the others, and at most half as many more: a
// block for less, and joining what it made (4 to 6 us for 16 to 128 rows on an H100 when a kernel
// of its own did it), would take longer than the block beside it takes for both.
__host__ __device__ constexpr int num_splits(int pages, int pages_per_split) {
  const int rounded = (pages + pages_per_split / 2 - 1) / pages_per_split;
  return pages > 0 && rounded == 0 ? 1 : rounded;
}

// How a row is split: by its own length only.
__device__ __forceinline__ Splits splits_of(int context_len) {
  const int pages =
      static_cast<int>(ceil_div(static_cast<unsigned>(context_len), unsigned{kPageSize}));
  if (pages <= kMinPagesPerSplit * kMaxSplits) {  // for the sake of a division by a constant
    return {kMinPagesPerSplit * kPageSize, num_splits(pages, kMinPagesPerSplit)};
  }
  const int pages_per_split = ceil_div(pages, kMaxSplits);
  return {pages_per_split * kPageSize, num_splits(pages, pages_per_split)};
}

template <typename T>
struct DecodeArgs {
  T* out;
  const T* qkv;
  PagedKv<T> kv;
  AttentionHeads heads;
  int group;  // query heads of a key head
  int max_splits;
  // Of rows with several splits: sums of exp2(score - maximum) * value, and {maximum, sum of
  // exp2(score - maximum)}, scores in powers of two.
  float* partial_values;  // [num_rows, num_heads, max_splits, head_dim]
  float2* partial_stats;  // [num_rows, num_heads, max_splits]
  // Splits of a row and block of heads that are done, zero again when all are: [num_rows, blocks of
  // heads].
  uint32_t* arrivals;
  // Where the newest tokens go; keys is null where all tokens are in the cache.
  struct Append {
    T* keys;
    T* values;
    const float* rope_table;  // of plain rotation
  } append;
};

// What one block computes.
struct DecodeWork {
  int row;
  const int32_t* pages;  // the row's
  int kv_head;
  int split;
  int context_len;
  int num_splits;
  int begin;  // tokens of the row; none when begin == end
  int end;
  int group;        // query heads
  bool has_newest;  // has the row's last token
};

// The tokens of the block's split, of a row that is split from `first`, a page's first token, on.
__device__ __forceinline__ void set_split(DecodeWork& work, int first) {
  const Splits splits = splits_of(work.context_len - first);
  work.num_splits = splits.count;
  work.begin = first + work.split * splits.tokens_per_split;
  work.end =
      work.split + 1 < splits.count ? work.begin + splits.tokens_per_split : work.context_len;
  if (work.split >= splits.count) work.end = work.begin;
  work.has_newest = work.end == work.context_len;
}

template <typename T>
__device__ __forceinline__ DecodeWork find_work(const DecodeArgs<T>& args) {
  DecodeWork work;
  work.kv_head = static_cast<int>(blockIdx.x);
  work.row = static_cast<int>(blockIdx.y);
  work.split = static_cast<int>(blockIdx.z);
  work.group = args.group;
  work.pages = row_pages(args.kv, work.row);  // loads the slot beside the length
  work.context_len = args.kv.context_lens[work.row];
  set_split(work, 0);
  return work;
}

// The first of the block's query heads.
__device__ __forceinline__ int first_head(const DecodeWork& work) {
  return work.kv_head * work.group;
}

// Elements of a token's qkv before the block's queries.
__device__ __forceinline__ int64_t queries_offset(const DecodeWork& work, int head_dim) {
  return static_cast<int64_t>(work.kv_head) * work.group * head_dim;
}

// The plain variant.
struct PlainRules {
  using Work = DecodeWork;
  static constexpr bool kIsPlain = true;
  static constexpr bool kContinues = false;  // rows whose first pages were attended before
  static constexpr int kMaxGroup = kMaxPlainGroup;
  static constexpr int kMaxHeadDim = kMaxPlainHeadDim;

  // Splits of the row that were done by an earlier kernel.
  static __device__ __forceinline__ int num_done(const DecodeWork&) { return 0; }
};

// Floats of a query head's state in a warp: its weighted values, the sums of eight groups of lanes,
// the maximum in use.
__host__ __device__ constexpr int prefix_state_stride(int head_dim) {
  return head_dim + 12;
}

// The plain variant behind decode_prefix_kernel, which attended the whole pages that a row shares
// with others. Splits of which it did all are done; of another it left the state of each warp.
struct PrefixRules : PlainRules {
  struct Work : DecodeWork {
    int shared_pages;
  };
  static constexpr bool kContinues = true;
  static constexpr int kTokensPerSplit = kMinPagesPerSplit * kPageSize;

  const int32_t* pages;  // SharedPrefixes'
  float* states;         // [num_rows, num_kv_heads, kDecodeWarps, group, prefix_state_stride]

  // Where the tokens of the split that are shared end, or before its begin.
  static __device__ __forceinline__ int prefix_end(const Work& work) {
    return min(work.shared_pages * kPageSize, (work.split + 1) * kTokensPerSplit);
  }
  static __device__ __forceinline__ bool is_done(const DecodeWork& work, int prefix_end) {
    return prefix_end == work.end && work.split + 1 < work.num_splits;
  }
  // 0 of a row that has ended.
  static __device__ __forceinline__ int num_done(const Work& work) {
    return max(min(work.shared_pages / kMinPagesPerSplit, work.num_splits - 1), 0);
  }
  template <typename T>
  __device__ __forceinline__ float* state_of(const DecodeArgs<T>& args, const DecodeWork& work,
                                             int warp) const {
    const int64_t block = static_cast<int64_t>(work.row) * args.heads.num_kv_heads + work.kv_head;
    return states +
           (block * kDecodeWarps + warp) * args.group * prefix_state_stride(args.heads.head_dim);
  }
};

// What one block of the other variant computes: up to kMaxGroup of a key head's query heads, of
// keys [begin, end) those from first_key on.
struct RuledWork : DecodeWork {
  int first_head;
  int first_key;
};
__device__ __forceinline__ int first_head(const RuledWork& work) {
  return work.first_head;
}
__device__ __forceinline__ int64_t queries_offset(const RuledWork& work, int head_dim) {
  return static_cast<int64_t>(work.first_head) * head_dim;
}

// The other variant: by ScoreRules, in heads of any size, in groups of any number of heads.
struct LayerRules {
  using Work = RuledWork;
  static constexpr bool kIsPlain = false;
  static constexpr bool kContinues = false;
  static constexpr int kMaxGroup = kHeadsPerBlock;
  static constexpr int kMaxHeadDim = kMaxAttentionHeadDim;

  static __device__ __forceinline__ int num_done(const RuledWork&) { return 0; }

  ScoreRules scores;
  int head_blocks;  // that a key head's query heads are parted into
  Rope rope;        // of a row that is appended
};

// kTile: tokens that the kernel reads at once, from a multiple of it on.
template <int kTile, typename T>
__device__ __forceinline__ DecodeWork find_work(const DecodeArgs<T>& args, const PlainRules&) {
  return find_work(args);
}
// The first splits of the grid are those that are not done: they start first.
template <int kTile, typename T>
__device__ __forceinline__ PrefixRules::Work find_work(const DecodeArgs<T>& args,
                                                       const PrefixRules& rules) {
  const int shared_pages = rules.pages[blockIdx.y];  // waits beside what the rest waits for
  PrefixRules::Work work{find_work(args), shared_pages};
  work.split += PrefixRules::num_done(work);
  set_split(work, 0);
  return work;
}
template <int kTile, typename T>
__device__ __forceinline__ RuledWork find_work(const DecodeArgs<T>& args, const LayerRules& rules) {
  static_assert(kPageSize % kTile == 0);
  RuledWork work;
  work.kv_head = static_cast<int>(blockIdx.x) / rules.head_blocks;
  work.row = static_cast<int>(blockIdx.y);
  work.split = static_cast<int>(blockIdx.z);
  const int head = static_cast<int>(blockIdx.x) % rules.head_blocks * LayerRules::kMaxGroup;
  work.first_head = work.kv_head * args.group + head;
  work.group = min(LayerRules::kMaxGroup, args.group - head);
  work.pages = row_pages(args.kv, work.row);
  work.context_len = args.kv.context_lens[work.row];
  work.first_key = first_key(rules.scores, work.context_len - 1);
  // The row is split from the page on in which its window begins.
  set_split(work, work.first_key / kPageSize * kPageSize);
  work.begin = max(work.begin, work.first_key / kTile * kTile);
  return work;
}

// Index of a query head of the block among all rows' heads.
template <typename T, typename Work>
__device__ __forceinline__ int64_t head_index(const DecodeArgs<T>& args, const Work& work,
                                              int head) {
  return static_cast<int64_t>(work.row) * args.heads.num_heads + first_head(work) + head;
}

// 1 / the denominator of the block's query head `head`.
__device__ __forceinline__ float inverse_sum(const PlainRules&, const DecodeWork&, int, float,
                                             float sum) {
  return 1.0F / sum;
}
__device__ __forceinline__ float inverse_sum(const LayerRules& rules, const RuledWork& work,
                                             int head, float maximum, float sum) {
  return inverse_denominator(rules.scores, work.first_head + head, maximum, sum);
}

// Where a block counts that it is done.
template <typename T>
__device__ __forceinline__ uint32_t* arrivals_of(const DecodeArgs<T>& args,
                                                 const DecodeWork& work) {
  return args.arrivals + work.row * args.heads.num_kv_heads + work.kv_head;
}
template <typename T>
__device__ __forceinline__ uint32_t* arrivals_of(const DecodeArgs<T>& args, const RuledWork& work) {
  return args.arrivals + work.row * gridDim.x + blockIdx.x;
}

// A block without tokens: the first of an ended row writes the row's zeros, and any other ends.
__device__ __forceinline__ bool is_idle(const DecodeWork& work) {
  return work.split > 0 && work.begin >= work.end;
}
template <typename T, typename Work>
__device__ void finish_without_tokens(const DecodeArgs<T>& args, const Work& work) {
  T* out = args.out + head_index(args, work, 0) * args.heads.head_dim;
  for (int i = static_cast<int>(threadIdx.x); i < work.group * args.heads.head_dim;
       i += kDecodeThreads) {
    out[i] = from_float<T>(0.0F);
  }
}

// Stores N elements of a head's weighted values: the softmax average of a row in one split, a
// partial result of any other.
template <int N, typename T, typename Rules>
__device__ __forceinline__ void store_result(const DecodeArgs<T>& args, const Rules& rules,
                                             const typename Rules::Work& work, int head, int dim,
                                             Vec<float, N> values, float maximum, float sum) {
  const int64_t index = head_index(args, work, head);
  if (work.num_splits == 1) {
    const float inverse = inverse_sum(rules, work, head, maximum, sum);
#pragma unroll
    for (int i = 0; i < N; ++i) values.value[i] *= inverse;
    store_floats<N>(args.out + index * args.heads.head_dim + dim, values);
    return;
  }
  const int64_t partial = index * args.max_splits + work.split;
  store_vec<N>(args.partial_values + partial * args.heads.head_dim + dim, values);
  if (dim == 0) args.partial_stats[partial] = make_float2(maximum, sum);
}

// Joins the splits of a row's head in ascending order, one warp's work.
template <typename T, typename Rules>
__device__ __forceinline__ void join_head(const DecodeArgs<T>& args, const Rules& rules,
                                          const typename Rules::Work& work, int head, int64_t index,
                                          int num_splits) {
  const int head_dim = args.heads.head_dim;
  const int64_t first = index * args.max_splits;
  const float2* stats = args.partial_stats + first;
  float maximum = kNegativeInfinity;
  for (int s = 0; s < num_splits; ++s) maximum = fmaxf(maximum, __ldcg(stats + s).x);
  for (int dim = static_cast<int>(threadIdx.x) % 32 * 4; dim < head_dim; dim += 32 * 4) {
    float sum = 0.0F;
    float values[4] = {};
#pragma unroll 4  // loads that wait together
    for (int s = 0; s < num_splits; ++s) {
      const float2 stat = __ldcg(stats + s);
      const float weight = exp2_fast(stat.x - maximum);
      sum += weight * stat.y;
      const float4 part = __ldcg(
          reinterpret_cast<const float4*>(args.partial_values + (first + s) * head_dim + dim));
      values[0] += weight * part.x;
      values[1] += weight * part.y;
      values[2] += weight * part.z;
      values[3] += weight * part.w;
    }
    const float inverse = inverse_sum(rules, work, head, maximum, sum);
    Vec<float, 4> result;
#pragma unroll
    for (int k = 0; k < 4; ++k) result.value[k] = values[k] * inverse;
    store_floats<4>(args.out + index * head_dim + dim, result);
  }
}

// Called by a block that has stored its results. The last block of a row and its heads joins what
// all splits came to: a kernel of its own for that would run in every layer, split rows or not.
template <typename T, typename Rules>
__device__ __forceinline__ void join_splits(const DecodeArgs<T>& args, const Rules& rules,
                                            const typename Rules::Work& work) {
  if (work.num_splits <= 1) return;
  const int num_left = work.num_splits - rules.num_done(work);
  if (num_left > 1) {
    __shared__ bool is_last;
    __threadfence();  // the results are there for all
    __syncthreads();
    if (threadIdx.x == 0) {
      const auto last = static_cast<unsigned>(num_left - 1);
      is_last = atomicInc(arrivals_of(args, work), last) == last;
    }
    __syncthreads();
    if (!is_last) return;
    __threadfence();  // and read after the others' arrivals
  } else {
    __syncthreads();  // the block's results are there for the block
  }
  for (int head = static_cast<int>(threadIdx.x) / 32; head < work.group; head += kDecodeWarps) {
    join_head(args, rules, work, head, head_index(args, work, head), work.num_splits);
  }
}

// Launches of one block of kDecodeThreads for each of the grid's (block of heads, row, split). The
// plain ones have a block of heads for each key head.
//
// attention_decode_fp32.cu
template <typename Rules>
void launch_decode_fp32(const DecodeArgs<float>& args, const Rules& rules, dim3 grid,
                        cudaStream_t stream);
// attention_decode_plain.cu and attention_decode_rules.cu. T: 16-bit.
template <typename T, typename Rules>
void launch_decode_mma(const DecodeArgs<T>& args, const Rules& rules, dim3 grid,
                       cudaStream_t stream);
// attention_decode_prefix.cu: the shared pages of `num_groups` groups, then the rows. T: 16-bit.
template <typename T>
void launch_decode_prefix(const DecodeArgs<T>& args, const SharedPrefixes& prefixes, float* states,
                          dim3 grid, cudaStream_t stream);
bool suits_decode_prefix(const AttentionHeads& heads);

}  // namespace eet::kernels
