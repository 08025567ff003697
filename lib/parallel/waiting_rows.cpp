#include "lib/parallel/waiting_rows.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace eet {

void WaitingRows::add(GroupRow row) {
  num_samples_ += eet::num_samples(row.request);
  arrived_.push_back(std::move(row));
}

void WaitingRows::put_back(std::vector<GroupRow> rows) {
  for (const GroupRow& row : rows) num_samples_ += eet::num_samples(row.request);
  sorted_.insert(sorted_.begin(), std::make_move_iterator(rows.begin()),
                 std::make_move_iterator(rows.end()));
}

// Takes in what has come, so that a long row that comes late does not start last. A short one is
// overtaken a few times at most.
void WaitingRows::sort() {
  constexpr int kMaxPassed = 4;
  const auto room = window_ - std::min(window_, sorted_.size());
  const auto count = static_cast<std::ptrdiff_t>(std::min(room, arrived_.size()));
  for (GroupRow& row : sorted_) ++row.times_passed;
  sorted_.insert(sorted_.end(), std::make_move_iterator(arrived_.begin()),
                 std::make_move_iterator(arrived_.begin() + count));
  arrived_.erase(arrived_.begin(), arrived_.begin() + count);
  const auto key = [this](const GroupRow& row) {
    const auto prompt = static_cast<int64_t>(row.request.prompt.size());
    const bool by_output = schedule_ == Schedule::kRefill && !row.request.score_from;
    const int64_t output = std::min<int64_t>(row.request.params.max_tokens,
                                             std::max<int64_t>(1, max_model_len_ - prompt + 1));
    return std::tuple(row.times_passed >= kMaxPassed, by_output ? output : 0, prompt);
  };
  std::stable_sort(sorted_.begin(), sorted_.end(),
                   [&](const GroupRow& a, const GroupRow& b) { return key(a) > key(b); });
}

GroupRow WaitingRows::take_at(size_t index) {
  const auto place = sorted_.begin() + static_cast<std::ptrdiff_t>(index);
  GroupRow row = std::move(*place);
  sorted_.erase(place);
  num_samples_ -= eet::num_samples(row.request);
  return row;
}

std::optional<GroupRow> WaitingRows::take(size_t engine, const HolderOf& holder_of) {
  if (sorted_.size() <= arrived_.size()) sort();
  std::optional<size_t> place = choose(engine, holder_of);
  if (!place && !arrived_.empty()) {
    sort();
    place = choose(engine, holder_of);
  }
  if (!place) return std::nullopt;
  return take_at(*place);
}

std::optional<size_t> WaitingRows::choose(size_t engine, const HolderOf& holder_of) const {
  constexpr size_t kRows = 256;
  constexpr size_t kPrefixes = 32;
  std::optional<size_t> of_none;
  std::optional<size_t> of_other;
  Holder holder = Holder::kNone;
  uint64_t prefix = 0;
  size_t rows = 0;
  size_t prefixes = 0;
  for (size_t i = 0; i < sorted_.size() && rows < kRows && prefixes < kPrefixes; ++i) {
    const GroupRow& row = sorted_[i];
    if ((row.refused_by >> engine & 1) != 0) continue;
    ++rows;
    // Neighbours often have one in common.
    if (i == 0 || row.prefix == 0 || row.prefix != prefix) {
      ++prefixes;
      prefix = row.prefix;
      holder = prefix == 0 ? Holder::kNone : holder_of(prefix);
    }
    if (holder == Holder::kEngine) return i;
    std::optional<size_t>& first = holder == Holder::kNone ? of_none : of_other;
    if (!first) first = i;
  }
  return of_none ? of_none : of_other;
}

std::vector<GroupRow> WaitingRows::take_refused(uint64_t engines) {
  std::vector<GroupRow> refused;
  for (size_t i = 0; i < sorted_.size();) {
    const bool by_all = (sorted_[i].refused_by & engines) == engines;
    if (by_all) {
      refused.push_back(take_at(i));
    } else {
      ++i;
    }
  }
  return refused;
}

bool WaitingRows::stop(uint64_t row, int32_t sample) {
  const auto found = std::find_if(sorted_.begin(), sorted_.end(),
                                  [&](const GroupRow& r) { return r.request.row == row; });
  if (found == sorted_.end() || found->given.empty()) return false;
  found->given[static_cast<size_t>(sample)].ended = true;
  if (!std::all_of(found->given.begin(), found->given.end(),
                   [](const SampleTrace& trace) { return trace.ended; })) {
    return false;
  }
  take_at(static_cast<size_t>(found - sorted_.begin()));
  return true;
}

}  // namespace eet
