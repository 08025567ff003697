#include "lib/schedule/batch_planner.h"

#include <algorithm>
#include <tuple>

namespace eet {

void BatchPlanner::sort_next_window() {
  const auto count = static_cast<std::ptrdiff_t>(std::min(window_, waiting_.size()));
  std::vector<SequencePtr> window(waiting_.begin(), waiting_.begin() + count);
  waiting_.erase(waiting_.begin(), waiting_.begin() + count);
  const auto key = [this](const SequencePtr& sequence) {
    const int32_t output = order_ == Order::kByOutput ? sequence->params.max_tokens : 0;
    return std::tuple(output, sequence->prompt_len());
  };
  std::stable_sort(window.begin(), window.end(),
                   [&](const auto& a, const auto& b) { return key(a) > key(b); });
  if (prefixes_) {
    prefixes_->arrange(window, sorted_.empty() ? last_taken_.get() : sorted_.back().get());
  }
  sorted_.insert(sorted_.end(), window.begin(), window.end());
}

SequencePtr BatchPlanner::first() {
  if (sorted_.empty() && !waiting_.empty()) sort_next_window();
  return sorted_.empty() ? nullptr : sorted_.front();
}

BatchPlanner::Group BatchPlanner::next_group(size_t max_samples, int64_t free_pages) {
  Group group;
  while (group.samples < max_samples) {
    if (group.rows == sorted_.size()) {
      // A batch of sorted rows that is short by what the next window holds would pad more than it
      // gains: under kByPrompt groups end with their window.
      if (waiting_.empty() || (order_ == Order::kByPrompt && group.rows > 0)) break;
      sort_next_window();
    }
    const Sequence& sequence = *sorted_[group.rows];
    const auto samples = static_cast<size_t>(sequence.num_samples());
    const int64_t pages =
        page_needs(sequence.num_samples(), sequence.prompt_len(), sequence.max_positions(),
                   share_prompts_, ring_pages_, sequence.shared_tokens / kPageSize)
            .of_samples(sequence.num_samples());
    if (samples > max_samples - group.samples || pages > free_pages) break;
    free_pages -= pages;
    ++group.rows;
    group.samples += samples;
    group.prompt_tokens += sequence.prompt_len() - sequence.shared_tokens;
  }
  return group;
}

std::vector<SequencePtr> BatchPlanner::take(size_t rows) {
  const auto end = sorted_.begin() + static_cast<std::ptrdiff_t>(rows);
  std::vector<SequencePtr> group(sorted_.begin(), end);
  sorted_.erase(sorted_.begin(), end);
  if (prefixes_ && !group.empty()) last_taken_ = group.back();
  return group;
}

const std::vector<int64_t>& BatchPlanner::saved_tokens_by_level() const {
  static const std::vector<int64_t> kNone;
  return prefixes_ ? prefixes_->saved_tokens_by_level() : kNone;
}

}  // namespace eet
