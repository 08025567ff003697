// Sorting and grouping: which waiting rows run together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "lib/schedule/sequence.h"

namespace eet {

// Rows wait in order of arrival. When a batch is asked for and no sorted rows are left, the first
// `window` of them are sorted by prompt length, longest first (equal lengths stay in order of
// arrival), and batches are cut from the sorted rows: neighbours in length need little padding, and
// memory that cannot hold the longest shows at once.
class BatchPlanner {
 public:
  BatchPlanner(size_t max_rows, size_t window) : max_rows_(max_rows), window_(window) {}

  void add(SequencePtr sequence) { waiting_.push_back(std::move(sequence)); }
  size_t num_waiting() const { return waiting_.size() + sorted_.size(); }
  size_t window() const { return window_; }

  // The next batch: at most max_rows sequences whose pages add up to no more than `free_pages`.
  // Empty when nothing waits; never empty otherwise, provided each sequence alone fits.
  std::vector<SequencePtr> next_batch(int64_t free_pages);

 private:
  size_t max_rows_;
  size_t window_;
  std::deque<SequencePtr> waiting_;
  std::deque<SequencePtr> sorted_;
};

}  // namespace eet
