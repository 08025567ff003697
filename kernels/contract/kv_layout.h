// The layout of the paged KV cache, shared by every kernel and by the host.
#pragma once

#include <cstdint>

#include "kernels/contract/host_device.h"

namespace eet {

// Tokens a page holds. Pages are row-relative (token p of a row lives in its page p / kPageSize)
// and a page is also the unit decode attention is split by, so a row's arithmetic does not depend
// on the rows beside it. 128 tokens of one 128-wide 16-bit head are 32 KiB, read in one contiguous
// run.
inline constexpr int kPageSize = 128;

// One layer's keys (or values) are [num_pages, num_kv_heads, kPageSize, head_dim]; this is the
// element offset of a token's head.
EET_HOST_DEVICE inline int64_t kv_offset(int64_t page, int kv_head, int slot_in_page,
                                         int num_kv_heads, int head_dim) {
  return ((page * num_kv_heads + kv_head) * kPageSize + slot_in_page) * head_dim;
}

}  // namespace eet
