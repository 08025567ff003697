// Rows of a decode step that begin with the same pages, in groups that read them together.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/contract/shared_prefixes.h"
#include "lib/schedule/sequence.h"

namespace eet {

// As SharedPrefixes, on the host.
struct PrefixGroups {
  std::vector<int32_t> pages;   // of each row
  std::vector<int32_t> rows;    // of the first group, of the second, and so on
  std::vector<int32_t> starts;  // of each group in `rows`, and their end

  bool empty() const { return rows.empty(); }
  int num_groups() const { return starts.empty() ? 0 : static_cast<int>(starts.size()) - 1; }
};

// The groups of up to `max_rows` rows that spare most: n rows that share p pages read n * p pages,
// and a group of them p. Empty where that would be less than an eighth of what all rows read: what
// the groups cost is not worth it.
PrefixGroups find_prefix_groups(const std::vector<SequencePtr>& rows, int max_rows);

}  // namespace eet
