// What one forward pass needs to know of its rows.
#pragma once

#include <cstdint>

#include "kernels/contract/shared_prefixes.h"

namespace eet {

// Tokens of all rows lie one after another: [num_tokens, ...]. There is no mask: a row's tokens are
// its columns [cu_seqlens[r], cu_seqlens[r+1]), the first pad_counts[r] of them pads (always 0 with
// packed prompts). A pad has position -1; its K and V are not stored, no query reads it, and its
// own attention output is undefined but finite where its inputs are. All arrays are device memory.
struct ForwardBatch {
  bool decode = false;  // every row has exactly one token
  // Of a decode step: how many rows, the first ones, feed a token of their prompt. They attend as
  // prompt passes do, so that a replayed prompt gives the same bits as one fed at once.
  int num_prompt_rows = 0;
  int num_tokens = 0;
  int num_rows = 0;
  int max_query_len = 0;    // longest row of this pass, pads included (host-side upper bound)
  int max_context_len = 0;  // largest context_lens (host-side upper bound)
  const int32_t* token_ids = nullptr;  // [num_tokens]
  const int32_t* positions = nullptr;  // [num_tokens], -1 for pads and ended rows
  // [num_tokens], the row of the rotary table for each token; null: its position.
  const int32_t* rope_positions = nullptr;
  const int32_t* token_slots = nullptr;  // [num_tokens], row of block_tables
  const int32_t* row_slots = nullptr;    // [num_rows], row of block_tables
  const int32_t* cu_seqlens = nullptr;  // [num_rows + 1]; of a decode step only for its prompt rows
  const int32_t* pad_counts = nullptr;  // [num_rows]; likewise
  const int32_t* context_lens = nullptr;  // [num_rows], cached tokens once this pass has appended
                                          // its own; 0 for an ended row (its output is zeros)
  // [max_num_seqs, block_table_stride] page numbers. The decoder gets those of all page groups one
  // after another, and layers those of their own.
  const int32_t* block_tables = nullptr;
  int block_table_stride = 0;
  int64_t block_table_group_stride = 0;  // from a group's tables to the next group's
  // Of a decode step: rows that begin with the same pages, which may be read together. It changes
  // no bit.
  SharedPrefixes prefixes;

  int num_logits = 0;                      // rows whose last token gets logits
  const int32_t* logits_tokens = nullptr;  // [num_logits], token index in this pass
  const int32_t* logits_slots = nullptr;   // [num_logits]; samples of a row share a token

  int num_scored = 0;                       // tokens whose logits score the token after them
  const int32_t* scored_tokens = nullptr;   // [num_scored], token index in this pass
  const int32_t* scored_targets = nullptr;  // [num_scored], id of the token after it
};

}  // namespace eet
