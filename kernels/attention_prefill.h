// Causal attention of many tokens per row over the row's cached tokens.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/paged_attention.h"

namespace eet::kernels {

// out[i] = softmax(scale * q[i] · keysᵀ) · values over the cached tokens [0, position of i] of i's
// row, scores by `rules`, by the online softmax of FlashAttention-2 (Dao 2023) in fp32. Row r owns
// tokens [cu_seqlens[r], cu_seqlens[r+1]), the first pad_counts[r] of them pads: neither read nor
// in the cache, and their outputs are zeros. The last token has position context_lens[r] - 1. Keys
// are visited in tiles at fixed positions of the row, so a query's bits do not depend on the batch,
// or on where a chunk of a prompt begins. Pages that lie before the windows of all real queries of
// a row are not read. out: [tokens, num_heads, head_dim]; qkv: [tokens, num_heads + 2 *
// num_kv_heads, head_dim], of which q is read; max_query_len: at least every row's token count,
// pads included. All are aligned to 16 bytes; num_rows at most 65535.
template <typename T>
void attention_prefill(T* out, const T* qkv, const PagedKv<T>& kv, const AttentionHeads& heads,
                       const ScoreRules& rules, const int32_t* cu_seqlens,
                       const int32_t* pad_counts, int num_rows, int max_query_len,
                       cudaStream_t stream);

}  // namespace eet::kernels
