// Attention of one new token per row over the row's cached tokens.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "kernels/contract/attention_scratch.h"
#include "kernels/contract/shared_prefixes.h"
#include "kernels/paged_attention.h"
#include "kernels/rope.h"

namespace eet::kernels {

// out[r] = softmax(scale * q[r] · keysᵀ) · values over the context_lens[r] cached tokens of row r,
// scores by `rules`, softmax in fp32; zeros where context_lens[r] is 0. Long contexts are split
// over thread blocks at multiples of a page that depend on the row's own length and its window
// alone, so a row's bits do not depend on the batch. Pages that lie before the window are not read.
// out: [num_rows, num_heads, head_dim]; qkv: [num_rows, num_heads + 2 * num_kv_heads, head_dim], of
// which q is read; max_context_len: at least every context_lens. All are aligned to 16 bytes;
// num_rows at most 65535.
template <typename T>
void attention_decode(T* out, const AttentionScratch& scratch, const T* qkv, const PagedKv<T>& kv,
                      const AttentionHeads& heads, const ScoreRules& rules, int num_rows,
                      int max_context_len, cudaStream_t stream);

// Where decode attention keeps the new tokens' keys and values.
template <typename T>
struct KvAppend {
  T* keys;    // as PagedKv's
  T* values;  // likewise
  Rope rope;
};

// Whether attention_decode_append() has a kernel for these.
bool can_append(const AttentionHeads& heads, const ScoreRules& rules, const Rope& rope);

// Whether it reads pages that rows share once for all of them, given scratch for that.
bool reads_prefixes_once(const AttentionHeads& heads, const ScoreRules& rules, const Rope& rope);

// rope_append() (kernels/rope_append.h) of each row's newest token, at position context_lens[r] -
// 1, and attention_decode(), to the bit, but for q, k and v in qkv, which stay. Of what is read,
// the kernel before may write qkv alone: the pages are read before it has ended. Which rows begin
// with the same pages changes no bit. T: 16-bit.
template <typename T>
void attention_decode_append(T* out, const AttentionScratch& scratch, const T* qkv,
                             const PagedKv<T>& kv, const KvAppend<T>& append,
                             const SharedPrefixes& prefixes, const AttentionHeads& heads,
                             const ScoreRules& rules, int num_rows, int max_context_len,
                             cudaStream_t stream);

// Bytes of AttentionScratch::prefix_states.
size_t attention_decode_prefix_bytes(const AttentionHeads& heads, int num_rows);

// Bytes of AttentionScratch::partials. window: as ScoreRules'.
size_t attention_decode_partials_bytes(const AttentionHeads& heads, int window, int num_rows,
                                       int64_t max_context_len);

// The longest context that is split as often as one of context_len tokens: up to it, launches for
// different max_context_len are the same.
int64_t longest_context_split_alike(int64_t context_len);

}  // namespace eet::kernels
