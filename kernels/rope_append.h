// Rotary position embedding, and the step that moves new keys and values into the KV pages.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/rope.h"

namespace eet::kernels {

// Where tokens go in one layer's pages (kernels/contract/kv_layout.h).
struct KvDestination {
  const int32_t* positions;     // [num_tokens], < 0: skipped
  const int32_t* token_slots;   // [num_tokens], row of block_tables
  const int32_t* block_tables;  // [slots, block_table_stride] page ids
  int block_table_stride;
};

struct QkvShape {
  int num_heads;
  int num_kv_heads;
  int head_dim;  // a multiple of 8, at most 512
};

// Turns q and k of each token, leaves q in place and stores k and v in pages. Without a table q
// stays and k and v are only stored. k and v in qkv stay as they are.
// qkv: [num_tokens, num_heads + 2 * num_kv_heads, head_dim]; keys, values: [num_pages,
// num_kv_heads, kPageSize, head_dim]. All are aligned to 16 bytes.
template <typename T>
void rope_append(T* qkv, T* keys, T* values, const KvDestination& destination, int num_tokens,
                 const QkvShape& shape, const Rope& rope, cudaStream_t stream);

}  // namespace eet::kernels
