// Which rows of a decode step begin with the same pages; plain C++, for both sides.
#pragma once

#include <cstdint>

#include "kernels/contract/host_device.h"

namespace eet {

// Query heads of one key head that are attended together over pages that their rows share: the rows
// of a warpgroup's product.
inline constexpr int kPrefixColumns = 64;

// Columns of a row: its query heads of a key head, filled up to a power of two.
EET_HOST_DEVICE constexpr int prefix_columns_of_row(int group) {
  int columns = 1;
  while (columns < group) columns *= 2;
  return columns;
}

// Rows of a group, at most. group: query heads of a key head, up to 16.
EET_HOST_DEVICE constexpr int prefix_group_rows(int group) {
  return kPrefixColumns / prefix_columns_of_row(group);
}

// Groups of rows whose block tables begin with the same pages, full of tokens that all of the rows
// have. The rows of a group hold no more than kMaxPrefixContext tokens each, at any time.
struct SharedPrefixes {
  const int32_t* pages = nullptr;   // [num_rows], pages that a row shares with its group, or 0
  const int32_t* rows = nullptr;    // the rows of the first group, of the second, and so on
  const int32_t* starts = nullptr;  // [num_groups + 1], where each group's rows begin in `rows`
  int num_groups = 0;               // groups without rows may be among them
  int least_pages = 0;              // every row that has not ended shares at least as many
};

// Rows are split in parts of so many pages; those longer than kMaxPrefixContext in others.
inline constexpr int kPrefixSplitPages = 8;
inline constexpr int kMaxPrefixContext = 32768;

}  // namespace eet
