// Which experts rows choose, and their pairs sorted by expert.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/contract/expert_routing.h"

namespace eet::kernels {

// Fills groups.experts and groups.weights. Rows with positions[r] < 0 are idle.
// logits: [num_rows, logits_stride >= num_experts]; selection_bias: [num_experts] or null.
void choose_experts(const ExpertGroups& groups, const float* logits, int64_t logits_stride,
                    const float* selection_bias, const int32_t* positions, const RouterRules& rules,
                    cudaStream_t stream);

// Fills offsets, pairs, tiles and num_tiles from groups.experts.
void group_pairs(const ExpertGroups& groups, cudaStream_t stream);

// out[r] = sum over slots, in order, of weight * expert_out[pair], plus the shared expert's row
// times sigmoid(gate) (times 1 where gates are null); in fp32.
// out: [num_rows, hidden]; expert_out: [num_pairs, hidden]; shared: [num_rows, hidden] or null;
// gates: one for each row, gates_stride apart, or null.
template <typename T>
void combine_experts(T* out, const T* expert_out, const ExpertGroups& groups, const T* shared,
                     const float* gates, int64_t gates_stride, int64_t hidden, cudaStream_t stream);

}  // namespace eet::kernels
