#include "app/job/text/stop_matcher.h"

#include <algorithm>

namespace eet {
namespace {

constexpr size_t kNowhere = static_cast<size_t>(-1);

std::vector<size_t> borders(std::string_view word) {
  std::vector<size_t> border(word.size(), 0);
  for (size_t i = 1, length = 0; i < word.size(); ++i) {
    while (length > 0 && word[i] != word[length]) length = border[length - 1];
    if (word[i] == word[length]) ++length;
    border[i] = length;
  }
  return border;
}

}  // namespace

void StopMatcher::Automaton::advance(char c) {
  if (state == stop.size()) state = border.back();
  while (state > 0 && stop[state] != c) state = border[state - 1];
  if (stop[state] == c) ++state;
}

StopMatcher::StopMatcher(const std::vector<std::string>& stops) : best_start_(kNowhere) {
  automata_.reserve(stops.size());
  for (const std::string& stop : stops) automata_.push_back({stop, borders(stop)});
}

size_t StopMatcher::undecided_start() const {
  size_t longest = 0;
  for (const Automaton& automaton : automata_) longest = std::max(longest, automaton.state);
  return position_ - longest;
}

void StopMatcher::release(size_t end, std::string& out) {
  out.append(held_, 0, end - held_start_);
  held_.erase(0, end - held_start_);
  held_start_ = end;
}

void StopMatcher::push(std::string_view piece, std::string& out) {
  if (matched_) return;
  if (automata_.empty()) {
    out.append(piece);
    return;
  }
  for (const char c : piece) {
    held_.push_back(c);
    ++position_;
    for (Automaton& automaton : automata_) {
      automaton.advance(c);
      if (automaton.state == automaton.stop.size()) {
        best_start_ = std::min(best_start_, position_ - automaton.stop.size());
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
