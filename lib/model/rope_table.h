// Tables of cosines and sines for rotary embeddings.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/core/context.h"
#include "lib/model/config.h"

namespace eet {

// Rows of the table for contexts of up to `num_positions`.
//
// longrope has two lists of factors. As in transformers, a row of more tokens than the original
// context turns by the long ones from its first token on, a shorter one by the short ones: one that
// grows beyond the context is fed anew. The table has the rows of every position as a short prompt
// uses them, and behind those the long rows of the positions in the original context.
int64_t rope_table_rows(const RopeConfig& rope, int64_t num_positions);

// The row of a token at `position` of a row whose prompt has `prompt_len` tokens.
inline int64_t rope_table_row(const RopeConfig& rope, int64_t num_positions, int64_t position,
                              int64_t prompt_len) {
  const int64_t original = rope.original_max_position_embeddings;
  const bool is_long = rope.scaling == RopeConfig::Scaling::kLongrope && prompt_len > original;
  return is_long && position < original ? num_positions + position : position;
}

// fp32 [rope_table_rows, rotary_dim/2, 2] (cos, sin).
std::vector<float> rope_table(const Context& ctx, const RopeConfig& rope, int64_t num_positions);

}  // namespace eet
