// Sorting and grouping: which waiting rows start together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "lib/schedule/prefix_order.h"
#include "lib/schedule/sequence.h"

namespace eet {

// Rows wait in order of arrival. They are sorted window by window: the first `window` of them at a
// time, once the rows sorted before are nearly used up. Groups are cut from the sorted rows.
class BatchPlanner {
 public:
  // Longest first, and in order of arrival among equals:
  //   by prompt   neighbours in length need little padding, and memory that cannot hold the longest
  //               shows at once
  //   by output   rows that may generate most start first, so that none of them runs alone at the
  //               end; by prompt among equals
  enum class Order { kByPrompt, kByOutput };

  // `share_prompts`: the samples of a row have the pages of its prompt in common. `ring_pages` as
  // in page_needs().
  BatchPlanner(Order order, size_t window, bool share_prompts = true, int64_t ring_pages = 0)
      : order_(order), window_(window), share_prompts_(share_prompts), ring_pages_(ring_pages) {}

  // Lets rows share the beginnings of their prompts with the row before them in the order, and
  // sorts them by those instead where that saves more.
  void share_prefixes(const PrefixRules& rules) { prefixes_.emplace(rules); }

  void add(SequencePtr sequence) { waiting_.push_back(std::move(sequence)); }
  size_t num_waiting() const { return waiting_.size() + sorted_.size(); }
  size_t window() const { return window_; }

  // The first row of the order; null where none waits.
  SequencePtr first();

  // The rows that could start next: the first ones in order whose samples are at most `max_samples`
  // and need no more than `free_pages`, beside those that the first one shares.
  struct Group {
    size_t rows = 0;
    size_t samples = 0;         // of these rows
    int64_t prompt_tokens = 0;  // to be computed: each row's once, without those it shares
  };
  Group next_group(size_t max_samples, int64_t free_pages);

  // Takes the first `rows` of the order; no more than next_group() gave.
  std::vector<SequencePtr> take(size_t rows);

  // The row taken last can be shared with no longer. To be called only while none waits.
  void forget_last() { last_taken_ = nullptr; }

  // As PrefixTree's, of all windows so far.
  const std::vector<int64_t>& saved_tokens_by_level() const;

 private:
  void sort_next_window();

  Order order_;
  size_t window_;
  bool share_prompts_;
  int64_t ring_pages_;
  std::optional<PrefixOrder> prefixes_;
  std::deque<SequencePtr> waiting_;
  std::deque<SequencePtr> sorted_;
  SequencePtr last_taken_;  // before the first of sorted_; null where prefixes are not shared
};

}  // namespace eet
