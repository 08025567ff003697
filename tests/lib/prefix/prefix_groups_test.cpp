// Groups of rows that read common pages together: against trying all, and at their limits.
#include "lib/schedule/prefix_groups.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>

namespace eet::test {
namespace {

// A running row with a prompt of these whole pages, and a few tokens behind them.
SequencePtr running(std::vector<int32_t> pages, int32_t max_tokens = 50) {
  auto sequence = std::make_shared<Sequence>();
  const auto whole = static_cast<int32_t>(pages.size());
  sequence->request.prompt.assign(static_cast<size_t>(whole) * kPageSize + 5, 1);
  sequence->params.max_tokens = max_tokens;
  sequence->position = sequence->prompt_len();
  static int32_t own = 1'000'000;
  for (int i = 0; i < 2; ++i) pages.push_back(own++);
  sequence->pages = {{.table = std::move(pages)}};
  return sequence;
}

// Every group's rows begin with the group's pages, no row is in two, none is larger than allowed.
void check_groups(const std::vector<SequencePtr>& rows, const PrefixGroups& groups, int max_rows) {
  std::set<int32_t> seen;
  for (int g = 0; g < groups.num_groups(); ++g) {
    const int32_t begin = groups.starts[static_cast<size_t>(g)];
    const int32_t end = groups.starts[static_cast<size_t>(g) + 1];
    CHECK_GE(end - begin, 2);
    CHECK_LE(end - begin, max_rows);
    const int32_t first = groups.rows[static_cast<size_t>(begin)];
    const int32_t pages = groups.pages[static_cast<size_t>(first)];
    CHECK_GT(pages, 0);
    for (int32_t i = begin; i < end; ++i) {
      const int32_t row = groups.rows[static_cast<size_t>(i)];
      CHECK(seen.insert(row).second);
      CHECK_EQ(groups.pages[static_cast<size_t>(row)], pages);
      const Sequence& sequence = *rows[static_cast<size_t>(row)];
      CHECK_LE(pages, sequence.prompt_len() / kPageSize);
      const std::vector<int32_t>& table = sequence.pages.front().table;
      CHECK(std::equal(table.begin(), table.begin() + pages,
                       rows[static_cast<size_t>(first)]->pages.front().table.begin()));
    }
  }
  for (size_t row = 0; !groups.empty() && row < rows.size(); ++row) {
    CHECK_EQ(groups.pages[row] > 0, seen.contains(static_cast<int32_t>(row)));
  }
}

int64_t spared_pages(const PrefixGroups& groups) {
  int64_t spared = 0;
  for (int g = 0; g < groups.num_groups(); ++g) {
    const auto begin = static_cast<size_t>(groups.starts[static_cast<size_t>(g)]);
    const int32_t count = groups.starts[static_cast<size_t>(g) + 1] - static_cast<int32_t>(begin);
    spared += int64_t{count - 1} * groups.pages[static_cast<size_t>(groups.rows[begin])];
  }
  return spared;
}

TEST_CASE("rows with one prefix are parted into groups as large as allowed") {
  std::vector<SequencePtr> rows;
  rows.reserve(40);
  for (int i = 0; i < 40; ++i) rows.push_back(running({7, 3, 9}));
  const PrefixGroups groups = find_prefix_groups(rows, 16);
  check_groups(rows, groups, 16);
  CHECK_EQ(groups.num_groups(), 3);
  CHECK_EQ(groups.rows.size(), 40);
}

TEST_CASE("a longer prefix of fewer rows wins where it spares more") {
  std::vector<SequencePtr> rows;
  for (int question = 0; question < 4; ++question) {
    std::vector<int32_t> pages = {1};
    for (int page = 0; page < 20; ++page) pages.push_back(100 * (question + 1) + page);
    for (int answer = 0; answer < 4; ++answer) rows.push_back(running(pages));
  }
  const PrefixGroups groups = find_prefix_groups(rows, 16);
  check_groups(rows, groups, 16);
  CHECK_EQ(groups.num_groups(), 4);
  CHECK(std::all_of(groups.pages.begin(), groups.pages.end(), [](int32_t n) { return n == 21; }));
}

TEST_CASE("random trees of pages give groups whose rows share their pages") {
  std::mt19937 random(1);
  const auto draw = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<int32_t>> tree = {{}};
    int32_t next = 0;
    std::vector<SequencePtr> rows;
    for (int i = 0; i < 60; ++i) {
      std::vector<int32_t> pages = tree[static_cast<size_t>(draw(static_cast<int>(tree.size())))];
      for (int n = draw(4); n > 0; --n) pages.push_back(next++);
      tree.push_back(pages);
      rows.push_back(running(pages));
    }
    const int max_rows = 2 + draw(15);
    check_groups(rows, find_prefix_groups(rows, max_rows), max_rows);
  }
}

TEST_CASE("little that is shared is left to the rows") {
  std::vector<SequencePtr> rows = {running({1, 2, 3}), running({1, 2, 4})};
  CHECK_EQ(spared_pages(find_prefix_groups(rows, 8)), 2);
  for (int32_t i = 0; i < 10; ++i) rows.push_back(running({10 * i + 5, 10 * i + 6, 10 * i + 7}));
  CHECK(find_prefix_groups(rows, 8).empty());
  CHECK(find_prefix_groups({}, 8).empty());
  CHECK(find_prefix_groups({running({1, 2})}, 8).empty());
}

TEST_CASE("rows that may become too long for a group are in none") {
  const std::vector<SequencePtr> rows = {running({1, 2}), running({1, 2}, kMaxPrefixContext),
                                         running({1, 2})};
  const PrefixGroups groups = find_prefix_groups(rows, 8);
  check_groups(rows, groups, 8);
  CHECK_EQ(groups.pages, std::vector<int32_t>{2, 0, 2});
}

}  // namespace
}  // namespace eet::test
