#include "app/job/input/near_miss.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace eet {
namespace {

std::string letters_of(std::string_view name) {
  std::string letters;
  for (const char c : name) {
    if (c == '_' || c == '-' || c == ' ') continue;
    letters += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return letters;
}

// A word like n, stop or Seed, which rows may have for any purpose.
bool is_common_word(std::string_view name) {
  return name.size() < 5 && name.find('_') == std::string_view::npos;
}

// Letters to insert, drop, replace or swap with their neighbour (Damerau and Levenshtein's distance
// in the form that edits no letter twice).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = a[i - 1] == b[j - 1];
      cost[i][j] =
          std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

size_t allowed_edits(size_t letters) {
  return letters >= 11 ? 2 : letters >= 8 ? 1 : 0;
}

}  // namespace

std::string_view near_miss(std::string_view name, std::span<const std::string_view> known) {
  const std::string letters = letters_of(name);
  std::string_view best;
  size_t best_edits = 3;
  for (const std::string_view candidate : known) {
    if (is_common_word(candidate)) continue;
    const std::string wanted = letters_of(candidate);
    const size_t allowed = allowed_edits(wanted.size());
    const size_t longer = std::max(letters.size(), wanted.size());
    if (longer - std::min(letters.size(), wanted.size()) > allowed) continue;
    const size_t edits = edit_distance(letters, wanted);
    if (edits > allowed || edits >= best_edits) continue;
    best = candidate;
    best_edits = edits;
  }
  return best;
}

}  // namespace eet
