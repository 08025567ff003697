// What the attention launchers are told of the cache and of the heads.
#pragma once

#include <cstdint>

#include "kernels/precondition.h"

namespace eet::kernels {

// One layer's pages (kernels/contract/kv_layout.h) and where the rows of a pass find theirs.
template <typename T>
struct PagedKv {
  const T* keys;    // [num_pages, num_kv_heads, kPageSize, head_dim]
  const T* values;  // likewise
  int64_t num_pages;
  const int32_t* block_tables;  // [slots, block_table_stride] page ids
  int block_table_stride;
  const int32_t* row_slots;     // [num_rows], row of block_tables
  const int32_t* context_lens;  // [num_rows], tokens in the cache, this pass included
};

inline constexpr int kMaxAttentionHeadDim = 512;  // in multiples of 8

struct AttentionHeads {
  int num_heads;     // a multiple of num_kv_heads
  int num_kv_heads;  // query head h reads key head h / (num_heads / num_kv_heads)
  int head_dim;
  float scale;  // of the scores; positive
};

inline void check_heads(const AttentionHeads& heads) {
  check_precondition(
      heads.head_dim > 0 && heads.head_dim % 8 == 0 && heads.head_dim <= kMaxAttentionHeadDim,
      "attention: head_dim of ", heads.head_dim);
  check_precondition(heads.num_kv_heads > 0 && heads.num_heads % heads.num_kv_heads == 0,
                     "attention: ", heads.num_heads, " heads for ", heads.num_kv_heads);
}

// What a layer does to its scores besides scaling them and hiding the keys that come after a query.
struct ScoreRules {
  int window = 0;                // a query at p sees keys (p - window, p]; 0: all before it
  float softcap = 0;             // scores become softcap * tanh(score / softcap); 0: they stay
  const float* sinks = nullptr;  // [num_heads], a logit in each softmax's denominator
  const float* alibi_slopes = nullptr;  // [num_heads], score += slope * (key - query position)
};

// Each attention kernel comes as two variants of one template. The plain one has no trace of
// ScoreRules; the other obeys them, and has the rare head sizes and groups, too.
inline bool is_plain(const ScoreRules& rules) {
  return rules.window == 0 && rules.softcap == 0 && rules.sinks == nullptr &&
         rules.alibi_slopes == nullptr;
}
inline constexpr int kMaxPlainHeadDim = 256;
inline constexpr int kMaxPlainGroup = 16;  // query heads of a key head

}  // namespace eet::kernels
