#include "lib/schedule/batch_planner.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <tuple>

#include "lib/schedule/prefix_sources.h"

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

bool BatchPlanner::remove(uint64_t row, int32_t sample) {
  const auto is_it = [&](const SequencePtr& sequence) {
    return sequence->request.row == row && sequence->sample == sample;
  };
  const auto found = std::find_if(sorted_.begin(), sorted_.end(), is_it);
  if (found == sorted_.end()) return std::erase_if(waiting_, is_it) > 0;
  // The next row has as much in common with the row before as both have with this one.
  const auto next = std::next(found);
  if (next != sorted_.end()) {
    (*next)->shared_tokens = std::min((*next)->shared_tokens, (*found)->shared_tokens);
  }
  sorted_.erase(found);
  return true;
}

SequencePtr BatchPlanner::first() {
  if (sorted_.empty() && !waiting_.empty()) sort_next_window();
  return sorted_.empty() ? nullptr : sorted_.front();
}

SampleExtent BatchPlanner::extent(const Sequence& sequence, const Start& start) const {
  SampleExtent extent = extent_of(sequence);
  extent.shared_tokens = start.shared_tokens;
  extent.lends = start.lends;
  return extent;
}

std::vector<int64_t> BatchPlanner::pages_of(const Sequence& sequence, const Start& start) const {
  return rules_.pages_of_row(extent(sequence, start), sequence.num_samples());
}

// Of the prompt of a row that lends it, by group.
std::vector<int64_t> BatchPlanner::first_intact(const Sequence& sequence,
                                                const Start& start) const {
  SampleExtent lender = extent(sequence, start);
  lender.lends = true;
  std::vector<int64_t> first;
  for (const PageRule& rule : rules_.groups()) {
    first.push_back(page_needs(rule, lender).first_intact());
  }
  return first;
}

bool BatchPlanner::can_share(int32_t shared_tokens, std::span<const int64_t> kept) const {
  for (size_t i = 0; i < kept.size(); ++i) {
    if (rules_.groups()[i].first_visible(shared_tokens) < kept[i]) return false;
  }
  return true;
}

BatchPlanner::Group BatchPlanner::next_group(size_t max_samples, const PagePool& pool,
                                             std::span<const int64_t> kept) {
  Group group;
  PrefixSources sources;
  std::vector<std::vector<int64_t>> intact;                 // of the group's rows
  std::vector<int64_t> settled(rules_.groups().size(), 0);  // pages of all rows but the last
  const auto with = [](std::vector<int64_t> pages, const std::vector<int64_t>& more) {
    std::transform(pages.begin(), pages.end(), more.begin(), pages.begin(), std::plus<>());
    return pages;
  };
  // All rows' pages, where the last one lends its prompt or not.
  const auto pages_if = [&](bool last_lends) {
    if (group.rows == 0) return settled;
    Start last = group.starts.back();
    last.lends = last_lends;
    return with(settled, pages_of(*sorted_[group.rows - 1], last));
  };
  while (group.samples < max_samples) {
    if (group.rows == sorted_.size()) {
      // A batch of sorted rows that is short by what the next window holds would pad more than it
      // gains: under kByPrompt groups end with their window.
      if (waiting_.empty() || (order_ == Order::kByPrompt && group.rows > 0)) break;
      sort_next_window();
    }
    const Sequence& sequence = *sorted_[group.rows];
    Start start{.shared_tokens = sequence.shared_tokens};
    const int32_t source = sources.source_of(start.shared_tokens);
    if (!can_share(start.shared_tokens, source < 0 ? kept : intact[static_cast<size_t>(source)])) {
      start.shared_tokens = 0;
    }
    const std::vector<int64_t> before = pages_if(start.shared_tokens > 0);
    const auto samples = static_cast<size_t>(sequence.num_samples());
    if (samples > max_samples - group.samples) break;
    group.lacks_pages = !pool.fits(with(before, pages_of(sequence, start)));
    if (group.lacks_pages) break;
    settled = before;
    if (group.rows > 0) group.starts.back().lends = start.shared_tokens > 0;
    sources.add(start.shared_tokens);
    intact.push_back(first_intact(sequence, start));
    ++group.rows;
    group.samples += samples;
    group.prompt_tokens += sequence.prompt_len() - start.shared_tokens;
    group.starts.push_back(start);
  }
  // What the next row shares is not known before its window is sorted.
  const bool wanted = group.rows == sorted_.size() || sorted_[group.rows]->shared_tokens > 0;
  if (group.rows > 0 && prefixes_ && wanted) {
    group.starts.back().lends = pool.fits(pages_if(/*last_lends=*/true));
  }
  return group;
}

std::vector<SequencePtr> BatchPlanner::take(const Group& group) {
  const auto end = sorted_.begin() + static_cast<std::ptrdiff_t>(group.rows);
  std::vector<SequencePtr> rows(sorted_.begin(), end);
  sorted_.erase(sorted_.begin(), end);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i]->shared_tokens = group.starts[i].shared_tokens;
    rows[i]->lends = group.starts[i].lends;
  }
  if (prefixes_ && !rows.empty()) last_taken_ = rows.back();
  return rows;
}

const std::vector<int64_t>& BatchPlanner::saved_tokens_by_level() const {
  static const std::vector<int64_t> kNone;
  return prefixes_ ? prefixes_->saved_tokens_by_level() : kNone;
}

}  // namespace eet
