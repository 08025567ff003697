// Decode attention: one block per (row, key head, split of the row's cached tokens), whose query
// heads share every key and value that is loaded.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "kernels/attention_decode.cuh"
#include "kernels/attention_decode.h"
#include "kernels/precondition.h"

namespace eet::kernels {
namespace {

// The most splits of any row of at most `max_context_len` tokens.
int max_splits(int64_t max_context_len) {
  const int64_t pages = std::min<int64_t>(ceil_div<int64_t>(max_context_len, kPageSize),
                                          int64_t{kMaxSplits} * kMinPagesPerSplit);
  return num_splits(static_cast<int>(pages), kMinPagesPerSplit);
}

// The most tokens of the pages that a window reaches; 0 is none.
int64_t reach(int window, int64_t max_context_len) {
  if (window == 0) return max_context_len;
  const int64_t pages = ceil_div<int64_t>(window - 1, kPageSize) + 1;
  return std::min(max_context_len, pages * kPageSize);
}

bool has_plain_shape(const AttentionHeads& heads) {
  return heads.head_dim <= kMaxPlainHeadDim &&
         heads.num_heads <= kMaxPlainGroup * heads.num_kv_heads;
}

template <typename T>
void launch(const DecodeArgs<T>& args, const auto& rules, dim3 grid, cudaStream_t stream) {
  if constexpr (std::is_same_v<T, float>) {
    launch_decode_fp32(args, rules, grid, stream);
  } else {
    launch_decode_mma(args, rules, grid, stream);
  }
}

}  // namespace

bool can_append(const AttentionHeads& heads, const ScoreRules& rules, const Rope& rope) {
  if (heads.head_dim % 16 != 0 || heads.head_dim > kMaxPlainHeadDim) return false;
  // attention_decode() is plain whatever the rotation. The other variant gives its bits where a
  // block has the same heads.
  const bool is_other_variant_alike =
      heads.num_heads <= LayerRules::kMaxGroup * heads.num_kv_heads || !has_plain_shape(heads);
  return is_plain(rope, heads.head_dim) || !is_plain(rules) || is_other_variant_alike;
}

bool reads_prefixes_once(const AttentionHeads& heads, const ScoreRules& rules, const Rope& rope) {
  return is_plain(rules) && is_plain(rope, heads.head_dim) && suits_decode_prefix(heads);
}

size_t attention_decode_prefix_bytes(const AttentionHeads& heads, int num_rows) {
  return static_cast<size_t>(num_rows) * static_cast<size_t>(heads.num_heads) * kDecodeWarps *
         static_cast<size_t>(prefix_state_stride(heads.head_dim)) * sizeof(float);
}

size_t attention_decode_partials_bytes(const AttentionHeads& heads, int window, int num_rows,
                                       int64_t max_context_len) {
  const int splits = max_splits(reach(window, max_context_len));
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
                      const AttentionHeads& heads, const ScoreRules& rules, int num_rows,
                      int max_context_len, cudaStream_t stream) {
  attention_decode_append(out, scratch, qkv, kv, KvAppend<T>{}, SharedPrefixes{}, heads, rules,
                          num_rows, max_context_len, stream);
}

template <typename T>
void attention_decode_append(T* out, const AttentionScratch& scratch, const T* qkv,
                             const PagedKv<T>& kv, const KvAppend<T>& append,
                             const SharedPrefixes& prefixes, const AttentionHeads& heads,
                             const ScoreRules& rules, int num_rows, int max_context_len,
                             cudaStream_t stream) {
  check_heads(heads);
  check_precondition(append.keys == nullptr || can_append(heads, rules, append.rope),
                     "attention_decode_append: no kernel for heads of ", heads.head_dim);
  if (num_rows == 0) return;
  // A pass of ended rows only still has zeros to write.
  const int splits = std::max(1, max_splits(reach(rules.window, max_context_len)));
  check_precondition(splits == 1 || scratch.partials != nullptr,
                     "attention_decode: no scratch for rows that are split");
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
      .append = {append.keys, append.values, append.rope.table}};
  const bool plain =
      is_plain(rules) && has_plain_shape(heads) && is_plain(append.rope, heads.head_dim);
  const int head_blocks = plain ? 1 : ceil_div(args.group, LayerRules::kMaxGroup);
  // First splits first: all rows have one.
  const dim3 grid(static_cast<unsigned>(heads.num_kv_heads * head_blocks),
                  static_cast<unsigned>(num_rows), static_cast<unsigned>(splits));
  if constexpr (!std::is_same_v<T, float>) {
    if (prefixes.num_groups > 0 && scratch.prefix_states != nullptr && append.keys != nullptr &&
        reads_prefixes_once(heads, rules, append.rope)) {
      launch_decode_prefix(args, prefixes, scratch.prefix_states, grid, stream);
      return;
    }
  }
  if (plain) {
    launch<T>(args, PlainRules{}, grid, stream);
  } else {
    launch<T>(args, LayerRules{rules, head_blocks, append.rope}, grid, stream);
  }
}

template void attention_decode(float*, const AttentionScratch&, const float*, const PagedKv<float>&,
                               const AttentionHeads&, const ScoreRules&, int, int, cudaStream_t);
template void attention_decode(__half*, const AttentionScratch&, const __half*,
                               const PagedKv<__half>&, const AttentionHeads&, const ScoreRules&,
                               int, int, cudaStream_t);
template void attention_decode(__nv_bfloat16*, const AttentionScratch&, const __nv_bfloat16*,
                               const PagedKv<__nv_bfloat16>&, const AttentionHeads&,
                               const ScoreRules&, int, int, cudaStream_t);
template void attention_decode_append(__half*, const AttentionScratch&, const __half*,
                                      const PagedKv<__half>&, const KvAppend<__half>&,
                                      const SharedPrefixes&, const AttentionHeads&,
                                      const ScoreRules&, int, int, cudaStream_t);
template void attention_decode_append(__nv_bfloat16*, const AttentionScratch&, const __nv_bfloat16*,
                                      const PagedKv<__nv_bfloat16>&, const KvAppend<__nv_bfloat16>&,
                                      const SharedPrefixes&, const AttentionHeads&,
                                      const ScoreRules&, int, int, cudaStream_t);

}  // namespace eet::kernels
