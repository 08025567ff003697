#include "app/cli/suggestion.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace eet {
namespace {

size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last;
  std::vector<size_t> last(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    std::vector<size_t> row = {i};
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row.push_back(std::min({replaced, last[j] + 1, row[j - 1] + 1}));
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = std::move(last);
    last = std::move(row);
  }
  return last.back();
}

// The one candidate that begins with `word`, or nothing.
std::optional<std::string> completed(std::string_view word,
                                     std::span<const std::string> candidates) {
  const auto begins = [&](const std::string& candidate) { return candidate.starts_with(word); };
  const auto found = std::ranges::find_if(candidates, begins);
  if (word.size() < 2 || std::ranges::count_if(candidates, begins) != 1) return std::nullopt;
  return *found;
}

}  // namespace

std::optional<std::string> suggest(std::string_view word, std::span<const std::string> candidates) {
  constexpr size_t kMaxWord = 64;  // longer ones are no slips
  if (word.size() > kMaxWord) return std::nullopt;
  std::optional<std::string> nearest;
  size_t least = word.size() / 3 + 1;  // more than is taken
  for (const std::string& candidate : candidates) {
    const size_t edits = distance(word, candidate);
    if (edits >= least) continue;
    least = edits;
    nearest = candidate;
  }
  return nearest ? nearest : completed(word, candidates);
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const std::optional<std::string> meant = suggest(word, candidates);
  return meant ? "; did you mean " + *meant + "?" : "";
}

}  // namespace eet
