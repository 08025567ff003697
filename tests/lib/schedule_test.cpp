#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "lib/cache/page_pool.h"
#include "lib/schedule/batch_planner.h"
#include "lib/schedule/prompt_passes.h"
#include "lib/schedule/scheduler.h"

using namespace eet;

namespace {

const PageRules kPlainRules({}, 1024, /*share_prompts=*/true);

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
  PagePool pool({}, 5);
  const auto a = pool.take(0, 3);
  const auto b = pool.take(0, 2);
  std::set<int32_t> all(a.begin(), a.end());
  all.insert(b.begin(), b.end());
  CHECK(all.size() == 5);
  CHECK(pool.num_free_slabs() == 0);
  CHECK_THROWS(pool.take(0, 1));
  pool.give_back(0, a);
  CHECK(pool.num_free_slabs() == 3);
  CHECK(PagePool::pages_for(0) == 0);
  CHECK(PagePool::pages_for(kPageSize) == 1);
  CHECK(PagePool::pages_for(kPageSize + 1) == 2);
}

TEST_CASE("groups come longest prompt first within the window, in order of arrival among equals") {
  BatchPlanner planner(BatchPlanner::Order::kByPrompt, 4, kPlainRules);
  const PagePool pool({}, 100);
  const std::vector<int> lengths = {3, 9, 9, 1, 50};  // the last is outside the first window
  for (size_t i = 0; i < lengths.size(); ++i) planner.add(make_sequence(i, lengths[i]));
  std::vector<uint64_t> order;
  while (planner.num_waiting() > 0) {
    const BatchPlanner::Group group = planner.next_group(3, pool);
    REQUIRE(group.rows > 0);
    for (const auto& sequence : planner.take(group)) order.push_back(sequence->request.row);
  }
  CHECK(order == std::vector<uint64_t>{1, 2, 0, 3, 4});
}

TEST_CASE("rows that may generate most come first under refill, and groups cross windows") {
  BatchPlanner planner(BatchPlanner::Order::kByOutput, 3, kPlainRules);
  planner.add(make_sequence(0, 5, 10));
  planner.add(make_sequence(1, 9, 10));
  planner.add(make_sequence(2, 1, 70));
  planner.add(make_sequence(3, 1, 90));
  const BatchPlanner::Group group = planner.next_group(4, PagePool({}, 100));
  CHECK(group.rows == 4);
  CHECK(group.prompt_tokens == 16);
  std::vector<uint64_t> order;
  for (const auto& sequence : planner.take(group)) order.push_back(sequence->request.row);
  CHECK(order == std::vector<uint64_t>{2, 1, 0, 3});
}

TEST_CASE("a group never needs more pages than are free") {
  BatchPlanner planner(BatchPlanner::Order::kByPrompt, 64, kPlainRules);
  for (int i = 0; i < 10; ++i) planner.add(make_sequence(i, kPageSize, 2));  // two pages each
  CHECK(planner.next_group(64, PagePool({}, 7)).rows == 3);
  CHECK(planner.next_group(64, PagePool({}, 1)).rows == 0);
  CHECK(planner.num_waiting() == 10);
}

namespace {

// Runs a scheduler to its end without an engine: row i generates outputs[i] tokens. Returns how
// many rows each decode step had, and checks that slots and pages are never shared.
std::vector<size_t> simulate(const SchedulerOptions& options, int64_t num_pages,
                             const std::vector<int>& prompts, const std::vector<int>& outputs) {
  Scheduler scheduler(options, num_pages);
  for (size_t i = 0; i < prompts.size(); ++i) {
    scheduler.add(make_sequence(i, prompts[i], outputs[i]));
  }
  std::vector<size_t> rows_of_steps;
  std::map<uint64_t, int> generated;
  while (scheduler.num_waiting() > 0 || scheduler.has_running()) {
    scheduler.start_rows(true);
    std::vector<SequencePtr> sampled;
    if (const auto pass = scheduler.next_prompt_pass()) {
      for (const PromptSegment& segment : *pass) {
        const SequencePtr& sequence = segment.sequence;
        if (segment.first + segment.count == sequence->prompt_len()) sampled.push_back(sequence);
      }
    } else {
      std::set<int> slots;
      std::set<int32_t> pages;
      size_t num_pages_taken = 0;
      REQUIRE_FALSE(scheduler.decode_rows().empty());
      for (const SequencePtr& sequence : scheduler.decode_rows()) {
        CHECK(sequence->slot < static_cast<int>(options.max_num_seqs));
        slots.insert(sequence->slot);
        const std::vector<int32_t>& table = sequence->pages.front().table;
        pages.insert(table.begin(), table.end());
        num_pages_taken += table.size();
        ++sequence->position;
        sampled.push_back(sequence);
      }
      CHECK(slots.size() == sampled.size());
      CHECK(pages.size() == num_pages_taken);
      rows_of_steps.push_back(sampled.size());
    }
    for (const SequencePtr& sequence : sampled) {
      ++sequence->num_issued;
      const uint64_t row = sequence->request.row;
      if (++generated[row] == outputs[row]) scheduler.end(*sequence);
    }
  }
  CHECK(scheduler.pages().num_free_slabs() == num_pages);
  for (size_t i = 0; i < outputs.size(); ++i) CHECK(generated[i] == outputs[i]);
  return rows_of_steps;
}

}  // namespace

TEST_CASE("refill keeps the slots busy where static waits for the longest row") {
  std::vector<int> prompts;
  std::vector<int> outputs;
  for (int i = 0; i < 400; ++i) {
    prompts.push_back(1 + i * 37 % 200);
    outputs.push_back(1 + i * 53 % 97);
  }
  SchedulerOptions options{.max_num_seqs = 32, .max_batched_tokens = 1024, .sort_window = 100};
  const std::vector<size_t> refill = simulate(options, 1000, prompts, outputs);
  options.schedule = Schedule::kStatic;
  const std::vector<size_t> fixed = simulate(options, 1000, prompts, outputs);
  const auto work = std::accumulate(outputs.begin(), outputs.end(), size_t{0}) - outputs.size();
  CHECK(std::accumulate(refill.begin(), refill.end(), size_t{0}) == work);
  CHECK(std::accumulate(fixed.begin(), fixed.end(), size_t{0}) == work);
  // 601 steps of 32 rows would do.
  CHECK(refill.size() < 690);
  CHECK(fixed.size() > 1100);
}

TEST_CASE("refill goes on where memory, not slots, bounds the rows") {
  const std::vector<int> prompts(50, kPageSize);  // two pages each with their output
  std::vector<int> outputs;
  outputs.reserve(50);
  for (int i = 0; i < 50; ++i) outputs.push_back(2 + i % 20);
  const SchedulerOptions options{.max_num_seqs = 64, .max_batched_tokens = 8192, .sort_window = 64};
  const std::vector<size_t> rows = simulate(options, 9, prompts, outputs);
  CHECK(*std::max_element(rows.begin(), rows.end()) == 4);
  CHECK(rows.size() < 150);  // 525 tokens after the first of each row, 4 at a time: 132
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
