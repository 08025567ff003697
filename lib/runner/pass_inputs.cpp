#include "lib/runner/pass_inputs.h"

#include <algorithm>
#include <bit>

#include "lib/cache/page_pool.h"
#include "lib/model/rope_table.h"
#include "lib/schedule/prefix_groups.h"

namespace eet {

PassInputs::Layout PassInputs::make_layout(int64_t max_tokens, int64_t max_rows) {
  Layout layout{};
  int64_t next = 0;
  const auto place = [&next](int64_t count) {
    const int64_t offset = next;
    next += (count + 63) / 64 * 64;  // every array starts on 256 bytes
    return offset;
  };
  layout.cu_seqlens = place(max_rows + 1);
  layout.pad_counts = place(max_rows);
  layout.context_lens = place(max_rows);
  layout.row_slots = place(max_rows);
  layout.logits_tokens = place(max_rows);
  layout.logits_slots = place(max_rows);
  layout.prefix_pages = place(max_rows);
  layout.prefix_rows = place(max_rows);
  layout.prefix_starts = place(max_rows + 1);
  layout.row_part = next;
  layout.token_ids = place(max_tokens);
  layout.positions = place(max_tokens);
  layout.token_slots = place(max_tokens);
  layout.token_part = next;
  layout.rope_rows = place(max_tokens);
  layout.rope_part = next;
  layout.scored_tokens = place(max_tokens);
  layout.scored_targets = place(max_tokens);
  layout.total = next;
  return layout;
}

size_t PassInputs::block_bytes(int max_tokens, int max_rows) {
  return make_layout(max_tokens, max_rows).total * sizeof(int32_t);
}

// One row more than slots are given out: the idle slot's, which no pass reads pages from.
size_t PassInputs::table_bytes(int max_rows, int64_t max_model_len, size_t num_page_groups) {
  return num_page_groups * static_cast<size_t>(max_rows + 1) * PagePool::pages_for(max_model_len) *
         sizeof(int32_t);
}

MemoryItem PassInputs::memory(int max_tokens, int max_rows, int64_t max_model_len,
                              size_t num_page_groups) {
  return {"batch inputs and block tables",
          static_cast<int64_t>(block_bytes(max_tokens, max_rows) +
                               table_bytes(max_rows, max_model_len, num_page_groups))};
}

PassInputs::PassInputs(const Context& ctx, int max_tokens, int max_rows, int64_t max_model_len,
                       size_t num_page_groups, const RopeConfig* longrope, int prefix_group_rows)
    : ctx_(ctx),
      layout_(make_layout(max_tokens, max_rows)),
      longrope_(longrope),
      prefix_group_rows_(prefix_group_rows),
      max_model_len_(max_model_len),
      block_table_stride_(static_cast<int>(PagePool::pages_for(max_model_len))),
      block_table_group_stride_(int64_t{max_rows + 1} * block_table_stride_) {
  const size_t block = block_bytes(max_tokens, max_rows);
  const size_t tables = table_bytes(max_rows, max_model_len, num_page_groups);
  device_ = allocate(ctx, block, "pass inputs");
  block_tables_ = allocate(ctx, tables, "block tables");
  staging_ = allocate_staging(ctx, block * kPassPlaces, "pass input staging");
  table_staging_ = allocate_staging(ctx, tables, "block table staging");
  for (auto& fence : copied_) fence = std::make_unique<Fence>(ctx);
}

void PassInputs::set_pages(int slot, const std::vector<SequencePages>& pages) {
  int64_t first = static_cast<int64_t>(slot) * block_table_stride_;
  for (const SequencePages& group : pages) {
    std::copy(group.table.begin(), group.table.end(), table_staging_.as<int32_t>() + first);
    upload(ctx_, block_tables_.as<int32_t>() + first, table_staging_.as<int32_t>() + first,
           group.table.size() * sizeof(int32_t));
    first += block_table_group_stride_;
  }
}

int32_t* PassInputs::begin_block() {
  copied_[next_block_]->wait();
  return staging_.as<int32_t>() + static_cast<int64_t>(next_block_) * layout_.total;
}

void PassInputs::end_block(const int32_t* block, int64_t first, int64_t end) {
  upload(ctx_, device_.as<int32_t>() + first, block + first, (end - first) * sizeof(int32_t));
  copied_[next_block_]->record();
  next_block_ = (next_block_ + 1) % kPassPlaces;
}

ForwardBatch PassInputs::view() const {
  const auto* base = device_.as<int32_t>();
  ForwardBatch batch;
  batch.token_ids = base + layout_.token_ids;
  batch.positions = base + layout_.positions;
  batch.token_slots = base + layout_.token_slots;
  batch.row_slots = base + layout_.row_slots;
  batch.cu_seqlens = base + layout_.cu_seqlens;
  batch.pad_counts = base + layout_.pad_counts;
  batch.context_lens = base + layout_.context_lens;
  batch.block_tables = block_tables_.as<int32_t>();
  batch.block_table_stride = block_table_stride_;
  batch.block_table_group_stride = block_table_group_stride_;
  batch.prefixes = {.pages = base + layout_.prefix_pages,
                    .rows = base + layout_.prefix_rows,
                    .starts = base + layout_.prefix_starts};
  batch.logits_tokens = base + layout_.logits_tokens;
  batch.logits_slots = base + layout_.logits_slots;
  batch.scored_tokens = base + layout_.scored_tokens;
  batch.scored_targets = base + layout_.scored_targets;
  return batch;
}

void PassInputs::add_columns(int32_t* block, ForwardBatch& batch,
                             const PromptSegment& segment) const {
  const Sequence& sequence = *segment.sequence;
  for (int column = 0; column < segment.columns(); ++column) {
    // A pad is fed as the prompt's first token: any id of the vocabulary will do.
    const int position = column < segment.pads ? -1 : segment.first + column - segment.pads;
    const int token = batch.num_tokens++;
    block[layout_.token_ids + token] = sequence.request.prompt[std::max(position, 0)];
    block[layout_.positions + token] = position;
    block[layout_.token_slots + token] = sequence.slot;
    if (longrope_ != nullptr) {
      block[layout_.rope_rows + token] = rope_row(sequence, std::max(position, 0));
    }
  }
}

int32_t PassInputs::rope_row(const Sequence& sequence, int32_t position) const {
  const auto prompt_len = static_cast<int64_t>(sequence.request.prompt.size());
  return static_cast<int32_t>(rope_table_row(*longrope_, max_model_len_, position, prompt_len));
}

// Tokens that are generated are where their positions say; those of long prompts, which may be
// replayed beside them, are not.
void PassInputs::upload_replayed_rope_rows(ForwardBatch& batch,
                                           const std::vector<SequencePtr>& rows) {
  int32_t* block = begin_block();
  int32_t* rope_rows = block + layout_.rope_rows;
  for (const SequencePtr& sequence : rows) {
    *rope_rows++ = rope_row(*sequence, sequence->position - 1);  // it has been moved on
  }
  std::fill_n(rope_rows, batch.num_rows - static_cast<int>(rows.size()), 0);
  end_block(block, layout_.rope_rows, layout_.rope_rows + batch.num_rows);
  batch.rope_positions = device_.as<int32_t>() + layout_.rope_rows;
}

// The segment's columns are the last ones of the batch, here and in add_scored().
void PassInputs::add_logits(int32_t* block, ForwardBatch& batch,
                            const PromptSegment& segment) const {
  const auto add = [&](const Sequence& sequence) {
    block[layout_.logits_tokens + batch.num_logits] = batch.num_tokens - 1;
    block[layout_.logits_slots + batch.num_logits] = sequence.slot;
    ++batch.num_logits;
  };
  add(*segment.sequence);
  for (const SequencePtr& follower : segment.sequence->followers) add(*follower);
}

void PassInputs::add_scored(int32_t* block, ForwardBatch& batch,
                            const PromptSegment& segment) const {
  const std::vector<int32_t>& prompt = segment.sequence->request.prompt;
  for (int32_t position = segment.first_scored(); position < segment.end(); ++position) {
    block[layout_.scored_tokens + batch.num_scored] = batch.num_tokens - (segment.end() - position);
    block[layout_.scored_targets + batch.num_scored] = prompt[position + 1];
    ++batch.num_scored;
  }
}

ForwardBatch PassInputs::prompt_pass(const PromptPass& pass) {
  decode_slots_.clear();
  int32_t* block = begin_block();
  ForwardBatch batch = view();
  for (const PromptSegment& segment : pass) {
    const int row = batch.num_rows++;
    block[layout_.cu_seqlens + row] = batch.num_tokens;
    block[layout_.pad_counts + row] = segment.pads;
    block[layout_.context_lens + row] = segment.end();
    block[layout_.row_slots + row] = segment.sequence->slot;
    add_columns(block, batch, segment);
    add_scored(block, batch, segment);
    if (segment.samples_next()) add_logits(block, batch, segment);
    batch.max_query_len = std::max(batch.max_query_len, segment.columns());
    batch.max_context_len = std::max(batch.max_context_len, segment.end());
  }
  block[layout_.cu_seqlens + batch.num_rows] = batch.num_tokens;
  const int64_t token_part = longrope_ != nullptr ? layout_.rope_part : layout_.token_part;
  end_block(block, 0, batch.num_scored > 0 ? layout_.total : token_part);
  if (longrope_ != nullptr) batch.rope_positions = device_.as<int32_t>() + layout_.rope_rows;
  return batch;
}

// Which of the batch's `num_rows` rows, the first of which are `rows`, read pages together. Steps
// with a few groups or pages more or less are issued alike: the others have no rows.
void PassInputs::add_prefix_groups(int32_t* block, const std::vector<SequencePtr>& rows,
                                   size_t num_rows) {
  num_prefix_groups_ = least_prefix_pages_ = 0;
  const PrefixGroups groups = find_prefix_groups(rows, prefix_group_rows_);
  if (groups.empty()) return;
  num_prefix_groups_ = static_cast<int>(std::bit_ceil(static_cast<unsigned>(groups.num_groups())));
  least_prefix_pages_ = *std::min_element(groups.pages.begin(), groups.pages.end()) /
                        kPrefixSplitPages * kPrefixSplitPages;
  int32_t* pages = block + layout_.prefix_pages;
  std::fill_n(pages, num_rows, 0);
  std::copy(groups.pages.begin(), groups.pages.end(), pages);
  std::copy(groups.rows.begin(), groups.rows.end(), block + layout_.prefix_rows);
  int32_t* starts = block + layout_.prefix_starts;
  std::fill_n(starts, num_prefix_groups_ + 1, groups.starts.back());
  std::copy(groups.starts.begin(), groups.starts.end(), starts);
}

ForwardBatch PassInputs::decode_step(const std::vector<int32_t>& slots, int num_prompt_rows,
                                     int max_context_len, const std::vector<SequencePtr>& rows,
                                     bool share_pages) {
  if (slots != decode_slots_) {
    int32_t* block = begin_block();
    for (size_t i = 0; i < slots.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      block[layout_.row_slots + row] = slots[i];
      block[layout_.logits_slots + row] = slots[i];
      block[layout_.logits_tokens + row] = static_cast<int32_t>(row);
      block[layout_.cu_seqlens + row] = static_cast<int32_t>(row);
      block[layout_.pad_counts + row] = 0;
    }
    block[layout_.cu_seqlens + static_cast<int64_t>(slots.size())] =
        static_cast<int32_t>(slots.size());
    num_prefix_groups_ = least_prefix_pages_ = 0;
    if (share_pages && prefix_group_rows_ > 0) add_prefix_groups(block, rows, slots.size());
    end_block(block, 0, layout_.row_part);
    decode_slots_ = slots;
  }
  ForwardBatch batch = view();
  batch.token_slots = batch.row_slots;  // a row is a token
  batch.decode = true;
  batch.num_prompt_rows = num_prompt_rows;
  batch.num_rows = static_cast<int>(slots.size());
  batch.num_tokens = batch.num_rows;
  batch.num_logits = batch.num_rows;
  batch.max_query_len = 1;
  batch.max_context_len = max_context_len;
  batch.prefixes.num_groups = num_prefix_groups_;
  batch.prefixes.least_pages = least_prefix_pages_;
  if (longrope_ != nullptr && num_prompt_rows > 0) upload_replayed_rope_rows(batch, rows);
  return batch;
}

void PassInputs::fill_decode_step(const ForwardBatch& batch, const SlotTables& tables) {
  auto* base = device_.as<int32_t>();
  ops::prepare_decode(ctx_, base + layout_.token_ids, base + layout_.positions,
                      base + layout_.context_lens, batch.row_slots, batch.num_rows, tables);
}

}  // namespace eet
