// Prefill attention: one block per (row, query head, tile of queries) walks the row's key tiles in
// ascending order with an online softmax (FlashAttention-2, Dao 2023).
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <type_traits>

#include "kernels/attention_prefill.cuh"
#include "kernels/attention_prefill.h"

namespace eet::kernels {

template <typename T>
void attention_prefill(T* out, const T* qkv, const PagedKv<T>& kv, const AttentionHeads& heads,
                       const ScoreRules& rules, const int32_t* cu_seqlens,
                       const int32_t* pad_counts, int num_rows, int max_query_len,
                       cudaStream_t stream) {
  check_heads(heads);
  if (num_rows == 0 || max_query_len == 0) return;
  const PrefillArgs<T> args = {out, qkv, kv, heads, cu_seqlens, pad_counts};
  const auto launch = [&](const auto& variant) {
    if constexpr (std::is_same_v<T, float>) {
      launch_prefill_fp32(args, variant, num_rows, max_query_len, stream);
    } else {
      launch_prefill_mma(args, variant, num_rows, max_query_len, stream);
    }
  };
  if (is_plain(rules) && heads.head_dim <= kMaxPlainHeadDim) {
    launch(NoScoreRules{});
    return;
  }
  if constexpr (!std::is_same_v<T, float>) {
    if (!shapes_scores(rules) && heads.head_dim <= kMaxPlainHeadDim) {
      launch(WindowRules{rules});
      return;
    }
  }
  launch(rules);
}

#define EET_ATTENTION_PREFILL(T)                                                               \
  template void attention_prefill(T*, const T*, const PagedKv<T>&, const AttentionHeads&,      \
                                  const ScoreRules&, const int32_t*, const int32_t*, int, int, \
                                  cudaStream_t)
EET_ATTENTION_PREFILL(float);
EET_ATTENTION_PREFILL(__half);
EET_ATTENTION_PREFILL(__nv_bfloat16);
#undef EET_ATTENTION_PREFILL

}  // namespace eet::kernels
