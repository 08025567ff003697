// The arrays a forward pass reads, on their way from the host to the device.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "lib/core/memory.h"
#include "lib/core/pipeline.h"
#include "lib/model/config.h"
#include "lib/ops/ops.h"
#include "lib/schedule/prompt_passes.h"

namespace eet {

// Owns the device arrays of ForwardBatch and the staging memory behind them. Passes are issued in
// stream order, so one set of device arrays serves all; staging blocks rotate, and a block is
// written again only when its copy is done.
class PassInputs {
 public:
  // `longrope`: the rotation of a model whose long prompts turn by rows of their own, else null.
  // `prefix_group_rows`: rows that may read their common pages together, or 0.
  PassInputs(const Context& ctx, int max_tokens, int max_rows, int64_t max_model_len,
             size_t num_page_groups, const RopeConfig* longrope, int prefix_group_rows);

  // Makes `pages` the row of `slot` in the block tables of each group.
  void set_pages(int slot, const std::vector<SequencePages>& pages);

  // Batch of a prompt pass. A sequence whose last prompt token it feeds, unless it is scored, gets
  // logits, and its followers after it.
  ForwardBatch prompt_pass(const PromptPass& pass);

  // Batch of a decode step over rows in `slots`, of which the first `num_prompt_rows` feed a token
  // of their prompt. Uploads the slots only when they differ from the step before; tokens and
  // positions are filled in on the device. `rows` are those that run, in the order of their slots.
  // `share_pages`: some of them have pages in common.
  ForwardBatch decode_step(const std::vector<int32_t>& slots, int num_prompt_rows,
                           int max_context_len, const std::vector<SequencePtr>& rows,
                           bool share_pages);
  void fill_decode_step(const ForwardBatch& batch, const SlotTables& tables);

  // What one takes on the device.
  static MemoryItem memory(int max_tokens, int max_rows, int64_t max_model_len,
                           size_t num_page_groups);

 private:
  // Offsets, in int32 elements, of the arrays in a block.
  struct Layout {
    int64_t cu_seqlens, pad_counts, context_lens, row_slots;  // [max_rows], cu_seqlens one more
    int64_t logits_tokens, logits_slots;                      // [max_rows]
    int64_t prefix_pages, prefix_rows, prefix_starts;         // [max_rows], starts one more
    int64_t row_part;                                         // elements up to here
    int64_t token_ids, positions, token_slots;                // [max_tokens]
    int64_t token_part;                                       // elements up to here
    int64_t rope_rows;                                        // [max_tokens]
    int64_t rope_part;                                        // elements up to here
    int64_t scored_tokens, scored_targets;                    // [max_tokens]
    int64_t total;
  };
  static Layout make_layout(int64_t max_tokens, int64_t max_rows);
  static size_t block_bytes(int max_tokens, int max_rows);
  static size_t table_bytes(int max_rows, int64_t max_model_len, size_t num_page_groups);
  int32_t* begin_block();  // a staging block whose last copy is done
  // Uploads elements [first, end) of it.
  void end_block(const int32_t* block, int64_t first, int64_t end);
  ForwardBatch view() const;
  void add_columns(int32_t* block, ForwardBatch& batch, const PromptSegment& segment) const;
  int32_t rope_row(const Sequence& sequence, int32_t position) const;
  void add_prefix_groups(int32_t* block, const std::vector<SequencePtr>& rows, size_t num_rows);
  void upload_replayed_rope_rows(ForwardBatch& batch, const std::vector<SequencePtr>& rows);
  void add_logits(int32_t* block, ForwardBatch& batch, const PromptSegment& segment) const;
  void add_scored(int32_t* block, ForwardBatch& batch, const PromptSegment& segment) const;

  const Context& ctx_;
  Layout layout_;
  const RopeConfig* longrope_;
  int prefix_group_rows_;
  int64_t max_model_len_;
  int block_table_stride_;
  int64_t block_table_group_stride_;
  Buffer device_;
  Buffer block_tables_;   // [page groups, max_rows + 1, block_table_stride]
  Buffer staging_;        // kPassPlaces blocks
  Buffer table_staging_;  // as block_tables_; a slot's row is written only once its last user ended
  std::array<std::unique_ptr<Fence>, kPassPlaces> copied_;
  size_t next_block_ = 0;
  std::vector<int32_t> decode_slots_;  // of the last decode step, empty after a prompt pass
  int num_prefix_groups_ = 0;          // of that step
  int least_prefix_pages_ = 0;
};

}  // namespace eet
