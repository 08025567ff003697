// What the engine does next: which rows start, which prompt tokens are fed, which rows decode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lib/cache/page_pool.h"
#include "lib/cache/page_readers.h"
#include "lib/schedule/batch_planner.h"
#include "lib/schedule/prompt_passes.h"
#include "lib/schedule/sequence.h"

namespace eet {

struct SchedulerOptions {
  Schedule schedule = Schedule::kRefill;
  PromptPolicy prompt_policy = PromptPolicy::kPacked;
  size_t max_num_seqs = 1;
  int max_batched_tokens = 1;  // of one prompt pass
  size_t sort_window = 1;
  PageGroups page_groups = {};
  // Rows share the pages of prefixes that their prompts have in common. Only packed prompts do.
  bool share_prefixes = false;
  int64_t short_context = 0;  // as in PrefixRules
};

// Host bookkeeping only: it knows slots and pages by number and never touches a device.
//
// A row starts only when there is a slot for it and pages for its prompt and every token that it
// may generate: what runs can always finish, nothing is ever evicted. Prompts are fed before the
// next decode step, so that new rows decode with the others. The samples of a row start together.
//   static   rows start together when no row is left, and the batch shrinks as they end
//   refill   rows start as slots and pages come free. Groups that are too small for an efficient
//            prompt pass wait for more, at the cost of idle slots: until they are a sixteenth of
//            the running rows, or have an eighth of a full pass's tokens. Slots are finite, so that
//            prompts cannot starve decode steps.
//
// A row may share the first tokens of its prompt with the row before it in the order of starting.
// They are computed once: the pages that the prompt of the row started last fills are kept, however
// early it ends, as far as the next row in order shares them. That row would need as many of its
// own, so that keeping them keeps nobody waiting.
//
// Where layers have windows, pages are given back once the window has left them, also those of
// prompts, and others are written again (PageNeeds): but not while another row may yet share them.
class Scheduler {
 public:
  Scheduler(const SchedulerOptions& options, int64_t num_slabs);

  void add(SequencePtr sequence) { planner_.add(std::move(sequence)); }
  // Before the rows that wait and are not sorted yet.
  void add_next(SequencePtr sequence) { planner_.add_next(std::move(sequence)); }
  // Takes a row's sample out that waits; false where it does not.
  bool remove(uint64_t row, int32_t sample) { return planner_.remove(row, sample); }
  size_t num_waiting() const { return planner_.num_waiting(); }
  size_t sort_window() const { return planner_.window(); }
  const PagePool& pages() const { return pages_; }

  // Rows that start now, all samples of a row one after another, with slot, pages and position set;
  // their prompt passes are queued. Empty while prompt passes are left, and when it is not time.
  // `device_idle`: nothing that was issued is still on its way.
  std::vector<SequencePtr> start_rows(bool device_idle);

  // The next pass over prompts that have started.
  std::optional<PromptPass> next_prompt_pass();

  // Prompt tokens that the prefix trees of the rows so far save, by level.
  const std::vector<int64_t>& saved_tokens_by_level() const {
    return planner_.saved_tokens_by_level();
  }

  // The rows of the next decode step, those that replay their prompt first; empty while prompt
  // passes are left. Rows that have ended, or whose last token has been issued, are gone.
  const std::vector<SequencePtr>& decode_rows();

  // Tokens of prompts that decode_rows() read from pages that another of them reads too, counted
  // for all of these but one.
  int64_t repeated_tokens() const { return readers_.num_repeated() * kPageSize; }

  // A row's sample that has started and not ended; null otherwise.
  SequencePtr find(uint64_t row, int32_t sample) const;
  bool has_running() const { return !running_.empty(); }

  // Takes back the sample's slot and pages. A pass on its way may still write its own tokens there,
  // but any later owner's pass comes after it in the stream and reads only what it wrote itself.
  void end(Sequence& sequence);

 private:
  // Identifies a running sequence: row and sample.
  using Key = std::pair<uint64_t, int32_t>;

  std::vector<SequencePtr> with_samples(const std::vector<SequencePtr>& rows) const;
  void place(Sequence& sequence, const SampleExtent& extent,
             const std::vector<SequencePages>* source);
  void place_rows(const std::vector<SequencePtr>& fed, const PromptPlan& plan);
  BatchPlanner::Group next_group();
  void keep_prompt(const Sequence& sequence);
  void keep_no_more_than(int32_t shared_tokens);
  bool kept_hold(int32_t shared_tokens) const;
  void give_back_behind_windows();
  bool worth_starting(const BatchPlanner::Group& group) const;
  void drop_finished_rows();

  SchedulerOptions options_;
  // Whether one sample of a row feeds the prompt for all; replayed prompts are fed by each.
  bool share_prompts_;
  bool share_prefixes_;
  PageRules rules_;
  PagePool pages_;
  PageReaders readers_;  // live rows, of the pages that their prompts fill
  BatchPlanner planner_;
  std::vector<int> free_slots_;  // the lowest last
  std::map<Key, SequencePtr> running_;
  std::deque<PromptPass> prompt_passes_;
  std::vector<SequencePtr> live_;  // started, and with tokens still to be issued
  // Of the prompt started last, where it is kept: its block tables, whose entries [first, end) are
  // owned.
  std::vector<SequencePages> kept_;
  std::vector<int64_t> kept_first_;  // by group
  bool filling_ = false;             // more rows may join the batch that starts (static)
};

}  // namespace eet
