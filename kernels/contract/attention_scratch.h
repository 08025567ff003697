// The memory of decode attention beside its inputs and outputs; plain C++, for both sides.
#pragma once

#include <cstdint>

namespace eet {

// Query heads that share a block of decode attention, at most; a plain one may have more.
inline constexpr int kHeadsPerBlock = 8;

// Memory for rows that are split; of rows that are not, null.
struct AttentionScratch {
  // [num_rows, num_kv_heads, ceil(group / kHeadsPerBlock)] zeros between operations; group: query
  // heads of a key head.
  uint32_t* arrivals = nullptr;
  void* partials = nullptr;  // aligned to 16 bytes; the contents do not matter
  // attention_decode_prefix_bytes() for rows that begin alike, or null: every row reads for itself.
  // The contents do not matter.
  float* prefix_states = nullptr;
};

}  // namespace eet
