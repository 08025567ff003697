#include "app/job/text/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace eet {
namespace {

constexpr size_t kNowhere = static_cast<size_t>(-1);

std::vector<uint32_t> borders(std::string_view word) {
  std::vector<uint32_t> border(word.size(), 0);
  uint32_t length = 0;
  for (size_t i = 1; i < word.size(); ++i) {
    while (length > 0 && word[i] != word[length]) length = border[length - 1];
    if (word[i] == word[length]) ++length;
    border[i] = length;
  }
  return border;
}

}  // namespace

StopStrings::StopStrings(const std::vector<std::string>& stops) {
  words_.reserve(stops.size());
  for (const std::string& stop : stops) words_.push_back({stop, borders(stop)});
}

void StopStrings::Word::advance(uint32_t& state, char c) const {
  if (state == text.size()) state = border.back();
  while (state > 0 && text[state] != c) state = border[state - 1];
  if (text[state] == c) ++state;
}

StopMatcher::StopMatcher(std::shared_ptr<const StopStrings> stops)
    : stops_(std::move(stops)), states_(stops_->words_.size(), 0), best_start_(kNowhere) {}

size_t StopMatcher::undecided_start() const {
  uint32_t longest = 0;
  for (const uint32_t state : states_) longest = std::max(longest, state);
  return position_ - longest;
}

void StopMatcher::release(size_t end, std::string& out) {
  out.append(held_, 0, end - held_start_);
  held_.erase(0, end - held_start_);
  held_start_ = end;
}

void StopMatcher::push(std::string_view piece, std::string& out) {
  if (matched_) return;
  if (states_.empty()) {
    out.append(piece);
    return;
  }
  for (const char c : piece) {
    held_.push_back(c);
    ++position_;
    for (size_t i = 0; i < states_.size(); ++i) {
      const StopStrings::Word& word = stops_->words_[i];
      word.advance(states_[i], c);
      if (states_[i] == word.text.size()) {
        best_start_ = std::min(best_start_, position_ - word.text.size());
      }
    }
    // A match is final once nothing that started before it can still complete.
    if (best_start_ != kNowhere && undecided_start() >= best_start_) {
      finish(out);
      return;
    }
  }
  release(std::min(best_start_, undecided_start()), out);
}

void StopMatcher::finish(std::string& out) {
  if (matched_) return;
  matched_ = best_start_ != kNowhere;
  release(std::min(best_start_, position_), out);
}

}  // namespace eet
