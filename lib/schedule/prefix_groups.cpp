#include "lib/schedule/prefix_groups.h"

#include <algorithm>
#include <numeric>
#include <span>

namespace eet {
namespace {

// What a group costs each of its rows, in pages: the state of its attention is stored and loaded.
constexpr double kPagesOfState = 0.3;
constexpr int64_t kSpareAtLeast = 8;  // the eighth of the pages read

// Pages that may be a group's: none of a row that may become too long for one.
std::span<const int32_t> group_pages(const Sequence& sequence) {
  if (sequence.max_positions() > kMaxPrefixContext) return {};
  return sequence.prompt_pages();
}

int32_t common_pages(const Sequence& a, const Sequence& b) {
  const std::span<const int32_t> pages = group_pages(a);
  const std::span<const int32_t> others = group_pages(b);
  const size_t most = std::min(pages.size(), others.size());
  const auto end = pages.begin() + static_cast<std::ptrdiff_t>(most);
  return static_cast<int32_t>(std::mismatch(pages.begin(), end, others.begin()).first -
                              pages.begin());
}

// Rows [begin, end) of the order, which share `pages`.
struct Group {
  size_t begin = 0;
  size_t end = 0;
  int32_t pages = 0;

  double spared() const {
    const auto rows = static_cast<double>(end - begin);
    return (rows - 1) * pages - rows * kPagesOfState;
  }
};

// Parts an order of rows, of which each shares common[i] pages with the one before it, into the
// groups that spare most, by dynamic programming. Rows in no group share nothing.
std::vector<Group> best_groups(const std::vector<int32_t>& common, size_t max_rows) {
  std::vector<double> spared(common.size() + 1, 0.0);  // by the first rows
  std::vector<Group> last(common.size() + 1);          // the group that ends them, if any
  for (size_t end = 1; end <= common.size(); ++end) {
    spared[end] = spared[end - 1];
    int32_t pages = common[end - 1];
    for (size_t begin = end - 1; begin-- > 0 && end - begin <= max_rows && pages > 0;) {
      const Group group{begin, end, pages};
      if (spared[begin] + group.spared() > spared[end]) {
        spared[end] = spared[begin] + group.spared();
        last[end] = group;
      }
      pages = std::min(pages, common[begin]);
    }
  }
  std::vector<Group> groups;
  for (size_t end = common.size(); end > 0;) {
    const bool in_group = last[end].pages > 0;
    if (in_group) groups.push_back(last[end]);
    end = in_group ? last[end].begin : end - 1;
  }
  std::reverse(groups.begin(), groups.end());
  return groups;
}

}  // namespace

PrefixGroups find_prefix_groups(const std::vector<SequencePtr>& rows, int max_rows) {
  // Rows that share pages are neighbours in the order of their pages' numbers.
  std::vector<int32_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    const std::span<const int32_t> pages = group_pages(*rows[static_cast<size_t>(a)]);
    const std::span<const int32_t> others = group_pages(*rows[static_cast<size_t>(b)]);
    return std::lexicographical_compare(pages.begin(), pages.end(), others.begin(), others.end());
  });
  std::vector<int32_t> common(rows.size(), 0);
  int64_t num_read = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Sequence& sequence = *rows[static_cast<size_t>(order[i])];
    num_read += PagePool::pages_for(sequence.position);
    if (i > 0) common[i] = common_pages(*rows[static_cast<size_t>(order[i - 1])], sequence);
  }
  const std::vector<Group> groups = best_groups(common, static_cast<size_t>(max_rows));
  int64_t num_spared = 0;
  for (const Group& group : groups) {
    num_spared += static_cast<int64_t>(group.end - group.begin - 1) * group.pages;
  }
  PrefixGroups found;
  if (groups.empty() || num_spared * kSpareAtLeast < num_read) return found;
  found.pages.assign(rows.size(), 0);
  for (const Group& group : groups) {
    found.starts.push_back(static_cast<int32_t>(found.rows.size()));
    for (size_t i = group.begin; i < group.end; ++i) {
      found.rows.push_back(order[i]);
      found.pages[static_cast<size_t>(order[i])] = group.pages;
    }
  }
  found.starts.push_back(static_cast<int32_t>(found.rows.size()));
  return found;
}

}  // namespace eet
