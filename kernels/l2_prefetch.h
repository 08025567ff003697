// Weights that a kernel asks into L2 for the product after it.
#pragma once

#include <cstdint>

namespace eet::kernels {

// The first `width` bytes of each of `rows` rows that lie `stride` bytes apart; nothing when rows
// is 0.
struct L2Prefetch {
  const void* data = nullptr;
  int64_t stride = 0;
  int rows = 0;
  int width = 0;  // a multiple of 16
};

// What a small kernel over `num_tokens` tokens has time for of a weight [rows, row_bytes] that the
// next kernel reads: all of it up to 12 MB, which memory delivers in about 4 us, else as much of
// every row; nothing for many tokens, whose products hide the latency of memory themselves.
L2Prefetch plan_prefetch(const void* weight, int64_t rows, int64_t row_bytes, int64_t num_tokens);

}  // namespace eet::kernels
