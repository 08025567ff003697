// What the kernels that turn heads are told of the rotation.
#pragma once

#include <cstdint>

namespace eet::kernels {

// Rotary position embedding (Su et al. 2021) of the first rotary_dim elements of a head: element i
// is paired with i + rotary_dim/2, or 2i with 2i + 1 where `interleaved`; the others stay.
struct Rope {
  const float* table;  // [rows, rotary_dim / 2, 2] (cos, sin), or null: nothing turns
  int rotary_dim;      // even, at most head_dim
  bool interleaved;
  const int32_t* rows;  // [num_tokens], of the table; null: a token's row is its position
};

// Whether whole heads turn by halves, by their positions.
inline bool is_plain(const Rope& rope, int head_dim) {
  return rope.table == nullptr ||
         (rope.rotary_dim == head_dim && !rope.interleaved && rope.rows == nullptr);
}

}  // namespace eet::kernels
