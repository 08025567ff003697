// The radix tree of prompts: against what comparing every pair of them says.
#include "lib/schedule/prefix_tree.h"

#include <doctest/doctest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <numeric>
#include <string>

#include "tests/lib/prefix/prompt_forest.h"

namespace {

// Bytes on the heap of this program, and the most there have been.
int64_t heap_bytes = 0;
int64_t peak_heap_bytes = 0;

}  // namespace

void* operator new(size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  heap_bytes += static_cast<int64_t>(::malloc_usable_size(memory));
  peak_heap_bytes = std::max(peak_heap_bytes, heap_bytes);
  return memory;
}
void* operator new(size_t size, const std::nothrow_t& /*tag*/) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* memory) noexcept {
  heap_bytes -= static_cast<int64_t>(::malloc_usable_size(memory));
  std::free(memory);
}
void operator delete(void* memory, size_t /*size*/) noexcept {
  operator delete(memory);
}

void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept {
  operator delete(memory);
}

namespace eet::test {
namespace {

using Prompts = std::vector<std::vector<int32_t>>;

std::vector<SharablePrompt> views_of(const Prompts& prompts) {
  std::vector<SharablePrompt> views;
  views.reserve(prompts.size());
  for (const auto& prompt : prompts) views.push_back({.tokens = prompt});
  return views;
}

// `count` ids from `first` on.
std::vector<int32_t> ids(int32_t first, int count) {
  std::vector<int32_t> ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

std::vector<int32_t> operator+(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<int32_t> order_of(const PrefixTree& tree) {
  std::vector<int32_t> order;
  for (const PrefixTree::Place& place : tree.places()) order.push_back(place.prompt);
  return order;
}

// In the order of a tree, what two prompts share is the least that neighbours between them share.
void check_tree(const std::vector<SharablePrompt>& prompts) {
  const PrefixTree tree(prompts);
  const std::vector<PrefixTree::Place> places = tree.places();
  REQUIRE(places.size() == prompts.size());
  std::vector<int32_t> order = order_of(tree);
  std::sort(order.begin(), order.end());
  for (size_t i = 0; i < order.size(); ++i) CHECK(order[i] == static_cast<int32_t>(i));

  bool all_alike = true;
  for (size_t i = 0; i < places.size(); ++i) {
    int32_t least = INT32_MAX;
    for (size_t j = i + 1; j < places.size(); ++j) {
      least = std::min(least, places[j].shared_tokens);
      const int32_t shared =
          shared_part(common_tokens(prompts[places[i].prompt], prompts[places[j].prompt]));
      all_alike &= shared == least;
    }
  }
  CHECK(all_alike);

  int64_t saved = 0;
  for (const PrefixTree::Place& place : places) saved += place.shared_tokens;
  const std::vector<int64_t> levels = tree.saved_tokens_by_level();
  CHECK(std::accumulate(levels.begin(), levels.end(), int64_t{0}) == saved);
  CHECK(std::find(levels.begin(), levels.end(), 0) == levels.end());
}

TEST_CASE("random trees of prefixes are found as comparing all pairs finds them") {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    PromptForest forest(seed, seed % 2 == 0 ? 2 : 500, 700);
    const Prompts prompts = forest.grow(static_cast<size_t>(forest.uniform(0, 40)));
    std::vector<SharablePrompt> views = views_of(prompts);
    check_tree(views);
    for (SharablePrompt& prompt : views) prompt.kind = forest.uniform(0, 1) == 1;
    check_tree(views);
  }
}

TEST_CASE("prompts that share nothing stay in their order") {
  Prompts prompts;
  for (int32_t i = 0; i < 300; ++i) prompts.push_back(ids(7 * i % 300, 50 + i));
  // Fewer tokens in common than are worth anything, as a token that begins every text.
  for (auto& prompt : prompts) prompt.insert(prompt.begin(), kMinSharedPart - 1, -1);
  const std::vector<SharablePrompt> views = views_of(prompts);
  const PrefixTree tree(views);
  CHECK(order_of(tree) == ids(0, 300));
  CHECK(tree.saved_tokens_by_level().empty());
  CHECK(PrefixTree({}).places().empty());
}

TEST_CASE("prefixes of several levels keep together, each in the order of its first prompt") {
  const std::vector<int32_t> system = ids(0, 200);
  const std::vector<int32_t> task_a = system + ids(1000, 150);
  const std::vector<int32_t> task_b = system + ids(2000, 90);
  const std::vector<int32_t> question = task_b + ids(3000, 40);
  const Prompts prompts = {task_b + ids(10, 9),  ids(5000, 400),        task_a + ids(20, 9),
                           question + ids(1, 1), task_b + ids(30, 9),   task_a + ids(40, 9),
                           system + ids(50, 9),  question + ids(60, 9), ids(5001, 20)};
  const std::vector<SharablePrompt> views = views_of(prompts);
  const PrefixTree tree(views);
  CHECK(order_of(tree) == std::vector<int32_t>{0, 3, 7, 4, 2, 5, 6, 1, 8});
  std::vector<int32_t> shared;
  for (const PrefixTree::Place& place : tree.places()) shared.push_back(place.shared_tokens);
  CHECK(shared == std::vector<int32_t>{0, 290, 330, 290, 200, 350, 200, 0, 0});
  CHECK(tree.saved_tokens_by_level() == std::vector<int64_t>{6 * 200, 3 * 90 + 150, 40});
}

TEST_CASE("a part of a page is shared where it is long enough") {
  CHECK(shared_part(0) == 0);
  CHECK(shared_part(kMinSharedPart - 1) == 0);
  CHECK(shared_part(kMinSharedPart) == kMinSharedPart);
  CHECK(shared_part(kPageSize + 1) == kPageSize);
  CHECK(shared_part(kPageSize + kMinSharedPart) == kPageSize + kMinSharedPart);
  CHECK(shared_part(3 * kPageSize) == 3 * kPageSize);
}

TEST_CASE("building a tree takes no more than 200 bytes for each prompt") {
  for (const bool alike : {false, true}) {
    Prompts prompts;
    for (int32_t i = 0; i < 20'000; ++i) {
      // Pairs of a shared page are what needs the most nodes.
      prompts.push_back(alike ? ids(i / 2, 128) + ids(i, 20) : ids(i, 148));
    }
    const std::vector<SharablePrompt> views = views_of(prompts);
    const int64_t before = peak_heap_bytes = heap_bytes;
    const PrefixTree tree(views);
    const size_t num_places = tree.places().size();
    CHECK(num_places == prompts.size());
    const int64_t inputs = static_cast<int64_t>(views.size() * sizeof(SharablePrompt));
    CHECK(peak_heap_bytes - before + inputs <= 200 * static_cast<int64_t>(prompts.size()));
  }
}

TEST_CASE("long chains of prompts, each the beginning of the next, are sorted in little time") {
  Prompts prompts;
  for (int length = 1; length <= 3000; ++length) prompts.push_back(ids(0, length));
  const std::vector<SharablePrompt> views = views_of(prompts);
  const PrefixTree tree(views);
  CHECK(tree.places().size() == 3000);
  CHECK(tree.saved_tokens_by_level().size() > 2000);
}

}  // namespace
}  // namespace eet::test
