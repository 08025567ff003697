// The choice of the rows' next tokens.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "kernels/contract/slot_state.h"

namespace eet::kernels {

// The tables of running rows, device memory.
struct SamplingTables {
  const SlotParams* params;  // [max_num_seqs]
  SlotState* states;         // [max_num_seqs]
  uint16_t* token_counts;    // [max_num_seqs, vocab_size]
  int64_t vocab_size;
};

// Picks the next token of each row, exactly as ops::sample says (lib/ops/ops.h), and advances its
// slot. The log-probability is 0 where there is no token.
// slots: [num_rows], distinct; logits: [num_rows, stride >= vocab_size]; scratch:
// sample_scratch_bytes, 16-byte aligned.
void sample(const SampledRing& sampled, const SamplingTables& tables, const float* logits,
            int64_t stride, const int32_t* slots, int num_rows, void* scratch, cudaStream_t stream);
size_t sample_scratch_bytes(int num_rows, int64_t vocab_size);

}  // namespace eet::kernels
