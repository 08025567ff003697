// Token and position embeddings, added into the residual stream.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace eet::kernels {

// residual[t] = scale * token_table[token_ids[t]] + position_table[positions[t]] (where there is
// one), rounded twice, and zeros where positions[t] < 0.
// residual: fp32 [num_tokens, hidden]; token_table: [vocab, hidden]; position_table:
// [positions, hidden] or null; token_ids, positions: [num_tokens].
template <typename T>
void embed(float* residual, const int32_t* token_ids, const int32_t* positions,
           const T* token_table, const T* position_table, float scale, int num_tokens, int hidden,
           cudaStream_t stream);

}  // namespace eet::kernels
