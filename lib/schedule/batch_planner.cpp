#include "lib/schedule/batch_planner.h"

#include <algorithm>

#include "lib/cache/page_pool.h"

namespace eet {

std::vector<SequencePtr> BatchPlanner::next_batch(int64_t free_pages) {
  if (sorted_.empty()) {
    const auto count = static_cast<std::ptrdiff_t>(std::min(window_, waiting_.size()));
    sorted_.assign(waiting_.begin(), waiting_.begin() + count);
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    std::stable_sort(sorted_.begin(), sorted_.end(), [](const auto& a, const auto& b) {
      return a->prompt_len() > b->prompt_len();
    });
  }
  std::vector<SequencePtr> batch;
  while (!sorted_.empty() && batch.size() < max_rows_) {
    const int64_t pages = PagePool::pages_for(sorted_.front()->max_positions());
    if (pages > free_pages) break;
    free_pages -= pages;
    batch.push_back(std::move(sorted_.front()));
    sorted_.pop_front();
  }
  return batch;
}

}  // namespace eet
