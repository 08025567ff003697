// Sorting and grouping: which waiting rows start together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lib/schedule/page_needs.h"
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

  BatchPlanner(Order order, size_t window, PageRules rules)
      : order_(order), window_(window), rules_(std::move(rules)) {}

  // Lets rows share the beginnings of their prompts with the row before them in the order, and
  // sorts them by those instead where that saves more.
  void share_prefixes(const PrefixRules& rules) { prefixes_.emplace(rules); }

  void add(SequencePtr sequence) { waiting_.push_back(std::move(sequence)); }
  // Behind the rows that are sorted already, before all others.
  void add_next(SequencePtr sequence) { waiting_.push_front(std::move(sequence)); }
  // Takes a row's sample out; false where it does not wait.
  bool remove(uint64_t row, int32_t sample);
  size_t num_waiting() const { return waiting_.size() + sorted_.size(); }
  size_t window() const { return window_; }

  // The first row of the order; null where none waits.
  SequencePtr first();

  // How a row would start.
  struct Start {
    int32_t shared_tokens = 0;  // with the row before it: as many as that row's pages still hold
    bool lends = false;         // its prompt's pages are kept for the row after it
  };

  // The rows that could start next: the first ones in order whose samples are at most `max_samples`
  // and whose pages, beside those that they share, are free in `pool`. `kept`: of each group, the
  // first page that is kept of the prompt before theirs.
  struct Group {
    size_t rows = 0;
    size_t samples = 0;         // of these rows
    int64_t prompt_tokens = 0;  // to be computed: each row's once, without those it shares
    std::vector<Start> starts;  // of these rows
    bool lacks_pages = false;   // another row waits for nothing but pages
  };
  Group next_group(size_t max_samples, const PagePool& pool, std::span<const int64_t> kept = {});

  // Takes the rows that next_group() gave, to start so.
  std::vector<SequencePtr> take(const Group& group);

  // Whether pages of a prompt from page kept[group] of each group on hold what a row needs that
  // shares its first `shared_tokens` tokens.
  bool can_share(int32_t shared_tokens, std::span<const int64_t> kept) const;

  // The row taken last can be shared with no longer. To be called only while none waits.
  void forget_last() { last_taken_ = nullptr; }

  // As PrefixTree's, of all windows so far.
  const std::vector<int64_t>& saved_tokens_by_level() const;

 private:
  void sort_next_window();
  SampleExtent extent(const Sequence& sequence, const Start& start) const;
  std::vector<int64_t> pages_of(const Sequence& sequence, const Start& start) const;
  std::vector<int64_t> first_intact(const Sequence& sequence, const Start& start) const;

  Order order_;
  size_t window_;
  PageRules rules_;
  std::optional<PrefixOrder> prefixes_;
  std::deque<SequencePtr> waiting_;
  std::deque<SequencePtr> sorted_;
  SequencePtr last_taken_;  // before the first of sorted_; null where prefixes are not shared
};

}  // namespace eet
