#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "lib/cache/page_pool.h"
#include "lib/schedule/batch_planner.h"
#include "lib/schedule/prompt_passes.h"

using namespace eet;

namespace {

SequencePtr make_sequence(uint64_t row, int prompt_len, int max_tokens = 1) {
  auto sequence = std::make_shared<Sequence>();
  sequence->request.row = row;
  sequence->request.prompt.resize(prompt_len);
  sequence->params.max_tokens = max_tokens;
  return sequence;
}

std::vector<SequencePtr> make_batch(const std::vector<int>& lengths) {
  std::vector<SequencePtr> batch;
  batch.reserve(lengths.size());
  for (const int length : lengths) batch.push_back(make_sequence(batch.size(), length));
  return batch;
}

// Checks that the passes feed tokens [0, fed[row]) of every row once and in order, within the
// budget.
void check_passes(const PromptPlan& plan, const std::vector<int>& fed, int max_tokens) {
  std::map<uint64_t, int> next;
  for (const PromptPass& pass : plan.passes) {
    int columns = 0;
    std::set<uint64_t> rows;
    for (const PromptSegment& segment : pass) {
      const uint64_t row = segment.sequence->request.row;
      CHECK(rows.insert(row).second);
      if (segment.count > 0) CHECK(segment.first == next[row]);
      next[row] += segment.count;
      columns += segment.columns();
    }
    CHECK(columns <= max_tokens);
    CHECK(columns > 0);
  }
  for (size_t row = 0; row < fed.size(); ++row) {
    CHECK(next[row] == fed[row]);
    CHECK(plan.last_fed[row] == fed[row] - 1);
  }
}

}  // namespace

TEST_CASE("pages are handed out once and come back") {
  PagePool pool(5);
  const auto a = pool.take(3);
  const auto b = pool.take(2);
  std::set<int32_t> all(a.begin(), a.end());
  all.insert(b.begin(), b.end());
  CHECK(all.size() == 5);
  CHECK(pool.num_free() == 0);
  CHECK_THROWS(pool.take(1));
  pool.give_back(a);
  CHECK(pool.num_free() == 3);
  CHECK(PagePool::pages_for(0) == 0);
  CHECK(PagePool::pages_for(kPageSize) == 1);
  CHECK(PagePool::pages_for(kPageSize + 1) == 2);
}

TEST_CASE("batches come longest first within the window, in order of arrival among equals") {
  BatchPlanner planner(2, 4);
  const std::vector<int> lengths = {3, 9, 9, 1, 50};  // the last is outside the first window
  for (size_t i = 0; i < lengths.size(); ++i) planner.add(make_sequence(i, lengths[i]));
  std::vector<uint64_t> order;
  while (planner.num_waiting() > 0) {
    const auto batch = planner.next_batch(100);
    CHECK(batch.size() <= 2);
    REQUIRE_FALSE(batch.empty());
    for (const auto& sequence : batch) order.push_back(sequence->request.row);
  }
  CHECK(order == std::vector<uint64_t>{1, 2, 0, 3, 4});
}

TEST_CASE("a batch never needs more pages than are free") {
  BatchPlanner planner(64, 64);
  for (int i = 0; i < 10; ++i) planner.add(make_sequence(i, kPageSize, 2));  // two pages each
  CHECK(planner.next_batch(7).size() == 3);
  CHECK(planner.next_batch(1).empty());
  CHECK(planner.num_waiting() == 7);
}

TEST_CASE("packed prompts enter passes without pads, cut at page borders") {
  const std::vector<int> lengths = {700, 300, 128, 5, 1};
  for (const int budget : {1, 64, 128, 300, 512, 4096}) {
    CAPTURE(budget);
    const PromptPlan plan = plan_prompts(make_batch(lengths), PromptPolicy::kPacked, budget);
    check_passes(plan, lengths, budget);
    for (const PromptPass& pass : plan.passes) {
      for (const PromptSegment& segment : pass) {
        CHECK(segment.pads == 0);
        const int end = segment.first + segment.count;
        if (budget >= kPageSize && end < segment.sequence->prompt_len())
          CHECK(end % kPageSize == 0);
      }
    }
  }
}

TEST_CASE("padded prompts cost the longest prompt for every row") {
  const std::vector<int> lengths = {700, 300, 128, 5, 1};
  for (const int budget : {64, 700, 1500, 8192}) {
    CAPTURE(budget);
    const PromptPlan plan = plan_prompts(make_batch(lengths), PromptPolicy::kPadded, budget);
    check_passes(plan, lengths, budget);
    int columns = 0;
    for (const PromptPass& pass : plan.passes) {
      for (const PromptSegment& segment : pass) columns += segment.columns();
    }
    CHECK(columns == 700 * 5);
  }
}

TEST_CASE("min-length feeds the shortest prompt's length, serial nothing") {
  const std::vector<int> lengths = {70, 30, 12};
  check_passes(plan_prompts(make_batch(lengths), PromptPolicy::kMinLength, 50), {12, 12, 12}, 50);
  const PromptPlan serial = plan_prompts(make_batch(lengths), PromptPolicy::kSerial, 50);
  CHECK(serial.passes.empty());
  CHECK(serial.last_fed == std::vector<int32_t>{-1, -1, -1});
}

TEST_CASE("random batches are fed completely under every policy and budget") {
  std::mt19937 random(7);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<int> lengths(1 + random() % 20);
    for (int& length : lengths) length = 1 + static_cast<int>(random() % 600);
    const int budget = 1 + static_cast<int>(random() % 900);
    const auto batch = make_batch(lengths);
    check_passes(plan_prompts(batch, PromptPolicy::kPacked, budget), lengths, budget);
    check_passes(plan_prompts(batch, PromptPolicy::kPadded, budget), lengths, budget);
    const std::vector<int> shortest(lengths.size(),
                                    *std::min_element(lengths.begin(), lengths.end()));
    check_passes(plan_prompts(batch, PromptPolicy::kMinLength, budget), shortest, budget);
  }
}
