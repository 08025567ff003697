// The small kernels at the two ends of a step: what the rows feed next, and which tokens a prompt
// has.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/contract/slot_state.h"

namespace eet::kernels {

// For row r with slot s = row_slots[r] and p = states[s].position: positions[r] = p,
// context_lens[r] = p + 1, and token_ids[r] = prompts[s, p] while p < params[s].prompt_len (where
// `prompts` is given), else states[s].next_token. A row that has ended gets token 0, position -1
// and context 0.
// token_ids, positions, context_lens, row_slots: [num_rows]; params, states: [max_num_seqs];
// prompts: [max_num_seqs, prompts_stride] or null.
void prepare_decode(int32_t* token_ids, int32_t* positions, int32_t* context_lens,
                    const int32_t* row_slots, int num_rows, const SlotParams* params,
                    const SlotState* states, const int32_t* prompts, int64_t prompts_stride,
                    cudaStream_t stream);

// Sets kInPrompt in token_counts[token_slots[t], token_ids[t]] for every t with positions[t] >= 0.
// token_counts: [max_num_seqs, vocab_size]; the others: [num_tokens].
void count_prompt_tokens(uint16_t* token_counts, int64_t vocab_size, const int32_t* token_ids,
                         const int32_t* positions, const int32_t* token_slots, int num_tokens,
                         cudaStream_t stream);

}  // namespace eet::kernels
