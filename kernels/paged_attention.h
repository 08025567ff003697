// What the attention launchers are told of the cache and of the heads.
#pragma once

#include <cstdint>

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

inline constexpr int kMaxAttentionGroup = 16;     // query heads of a key head
inline constexpr int kMaxAttentionHeadDim = 256;  // in multiples of 8

struct AttentionHeads {
  int num_heads;     // a multiple of num_kv_heads
  int num_kv_heads;  // query head h reads key head h / (num_heads / num_kv_heads)
  int head_dim;
  float scale;  // of the scores; positive
};

}  // namespace eet::kernels
