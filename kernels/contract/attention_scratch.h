// The memory of decode attention beside its inputs and outputs; plain C++, for both sides.
#pragma once

#include <cstdint>

namespace eet {

// Memory for rows that are split; of rows that are not, null.
struct AttentionScratch {
  uint32_t* arrivals = nullptr;  // [num_rows, num_kv_heads] zeros between operations
  void* partials = nullptr;      // aligned to 16 bytes; the contents do not matter
};

}  // namespace eet
