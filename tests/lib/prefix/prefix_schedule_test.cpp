// Rows that share prefixes, without an engine: pages hold what the rows that read them expect, a
// prefix is computed once, and pages come back.
#include <doctest/doctest.h>

#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "lib/schedule/scheduler.h"
#include "tests/lib/prefix/prompt_forest.h"
#include "tests/lib/scheduled_job.h"

namespace eet::test {
namespace {

SequencePtr make_row(uint64_t row, std::vector<int32_t> prompt, int max_tokens, int samples = 1) {
  auto sequence = std::make_shared<Sequence>();
  sequence->request.row = row;
  sequence->request.prompt = std::move(prompt);
  sequence->request.params.n = samples;
  sequence->params.max_tokens = max_tokens;
  return sequence;
}

std::vector<SequencePtr> random_rows(PromptForest& forest, size_t count) {
  std::vector<SequencePtr> rows;
  for (std::vector<int32_t>& prompt : forest.grow(count)) {
    const auto size = static_cast<int32_t>(prompt.size());
    rows.push_back(make_row(rows.size(), std::move(prompt), forest.uniform(1, 200),
                            forest.uniform(0, 3) == 0 ? forest.uniform(1, 4) : 1));
    if (forest.uniform(0, 3) > 0 || size < 2) continue;
    Sequence& scored = *rows.back();
    scored.request.params.n = scored.params.max_tokens = 1;
    scored.request.score_from = forest.uniform(1, size - 1);
  }
  return rows;
}

int64_t prompt_tokens(const std::vector<SequencePtr>& rows) {
  int64_t tokens = 0;
  for (const SequencePtr& row : rows) tokens += row->prompt_len();
  return tokens;
}

std::vector<int32_t> ids(int32_t first, int count) {
  std::vector<int32_t> ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

// `count` rows: a prefix of `shared` tokens, then `own` ones.
std::vector<SequencePtr> rows_with_prefix(int count, int shared, int own, int max_tokens) {
  std::vector<SequencePtr> rows;
  for (int row = 0; row < count; ++row) {
    std::vector<int32_t> prompt = ids(0, shared);
    const std::vector<int32_t> rest = ids(10'000 + 100 * row, own);
    prompt.insert(prompt.end(), rest.begin(), rest.end());
    rows.push_back(make_row(static_cast<uint64_t>(row), std::move(prompt), max_tokens));
  }
  return rows;
}

constexpr auto kNever = [] { return false; };

// A job of random trees of rows, some of which are stopped early: the prompt tokens that they
// share. `seed` picks schedule and, for one in four, a longrope model's short context.
int64_t shared_in_random_job(uint32_t seed, PromptForest& forest, SchedulerOptions options,
                             int64_t num_slabs) {
  CAPTURE(seed);
  options.schedule = seed % 2 ? Schedule::kStatic : Schedule::kRefill;
  options.max_num_seqs = static_cast<size_t>(forest.uniform(4, 16));
  options.sort_window = static_cast<size_t>(forest.uniform(1, 40));
  options.share_prefixes = true;
  if (seed % 4 == 3) options.short_context = 300;
  const std::vector<SequencePtr> rows = random_rows(forest, 40);
  const JobOutcome outcome =
      ScheduledJob(options, num_slabs).run(rows, [&] { return forest.uniform(0, 60) == 0; });
  CHECK(outcome.computed + outcome.shared == prompt_tokens(rows));
  return outcome.shared;
}

}  // namespace

TEST_CASE("rows read what they expect from pages they share, and every page comes back") {
  int64_t shared = 0;
  for (uint32_t seed = 0; seed < 80; ++seed) {
    PromptForest forest(seed, seed % 3 == 0 ? 3 : 5000, 600);
    const SchedulerOptions options{.max_batched_tokens = forest.uniform(60, 1500)};
    // Little memory: a row of 4 samples needs up to 16 pages.
    shared += shared_in_random_job(seed, forest, options, forest.uniform(16, 50));
  }
  CHECK(shared > 80 * 1000);
}

TEST_CASE("a prefix is computed once, in memory for one row as in memory for all") {
  for (const int own : {1, 30, 200}) {
    for (const int prefix : {256, 300, 400}) {
      for (const Schedule schedule : {Schedule::kRefill, Schedule::kStatic}) {
        const std::vector<SequencePtr> rows = rows_with_prefix(30, prefix, own, 10);
        const int64_t alone = PagePool::pages_for(rows[0]->max_positions());
        for (const int64_t num_pages : {alone, alone + 1, alone + 5, 30 * alone}) {
          CAPTURE(own);
          CAPTURE(prefix);
          CAPTURE(num_pages);
          const SchedulerOptions options{.schedule = schedule,
                                         .max_num_seqs = 7,
                                         .max_batched_tokens = 400,
                                         .sort_window = 12,
                                         .share_prefixes = true};
          const std::vector<SequencePtr> copies = rows_with_prefix(30, prefix, own, 10);
          const JobOutcome outcome = ScheduledJob(options, num_pages).run(copies, kNever);
          // A row that has the memory alone has no page for the part that it would copy.
          const int whole = prefix / kPageSize * kPageSize;
          CHECK(outcome.shared >= 29 * whole);
          if (num_pages > alone) CHECK(outcome.shared == 29 * prefix);
        }
      }
    }
  }
}

TEST_CASE("rows that share run together in memory that would not hold them otherwise") {
  // Nine pages each, of which eight are shared.
  const SchedulerOptions sharing{
      .max_num_seqs = 64, .max_batched_tokens = 4096, .sort_window = 64, .share_prefixes = true};
  CHECK(
      ScheduledJob(sharing, 8 + 40 + 1).run(rows_with_prefix(64, 1024, 60, 20), kNever).most_rows >=
      40);
  SchedulerOptions apart = sharing;
  apart.share_prefixes = false;
  CHECK(ScheduledJob(apart, 8 + 40 + 1).run(rows_with_prefix(64, 1024, 60, 20), kNever).most_rows ==
        5);
}

TEST_CASE("prompts of several levels are fed in one pass a level") {
  // One system prompt, 4 questions, 4 answers each.
  std::vector<SequencePtr> batch;
  for (int question = 0; question < 4; ++question) {
    for (int answer = 0; answer < 4; ++answer) {
      std::vector<int32_t> prompt = ids(0, 200);
      for (const auto& part : {ids(1000 * (question + 1), 50), ids(10 * answer, 5)}) {
        prompt.insert(prompt.end(), part.begin(), part.end());
      }
      batch.push_back(make_row(batch.size(), std::move(prompt), 1));
      const bool first = question + answer == 0;
      batch.back()->shared_tokens = first ? 0 : answer == 0 ? 200 : 250;
    }
  }
  const PromptPlan plan = plan_prompts(batch, PromptPolicy::kPacked, 4096);
  REQUIRE(plan.passes.size() == 3);
  CHECK(plan.passes[0].size() == 1);
  CHECK(plan.passes[1].size() == 3 + 3);  // answers to the first question, and further questions
  CHECK(plan.passes[2].size() == 9);
  CHECK(plan.sources == std::vector<int32_t>{-1, 0, 0, 0, 0, 4, 4, 4, 0, 8, 8, 8, 0, 12, 12, 12});
  // Whole pages are read in the pass that fills them.
  for (size_t i = 1; i < batch.size(); ++i) batch[i]->shared_tokens = 128;
  CHECK(plan_prompts(batch, PromptPolicy::kPacked, 4096).passes.size() == 1);
}

TEST_CASE("rows are sorted by prefix where that saves more than starting long outputs late costs") {
  const auto order = [](const std::vector<SequencePtr>& all, BatchPlanner::Order by) {
    BatchPlanner planner(by, 64, PageRules({}, 4096, /*share_prompts=*/true));
    const PagePool pool({}, 1000);
    planner.share_prefixes(
        {.max_num_seqs = 4, .outputs_matter = by == BatchPlanner::Order::kByOutput});
    for (const SequencePtr& row : all) planner.add(row);
    std::vector<uint64_t> taken;
    while (planner.num_waiting() > 0) {
      for (const SequencePtr& row : planner.take(planner.next_group(64, pool))) {
        taken.push_back(row->request.row);
      }
    }
    return taken;
  };
  // Two tasks in turn; rows from `first_long` on have the longest outputs.
  const auto rows = [](int prefix, int longest, int first_long) {
    std::vector<SequencePtr> made;
    for (int i = 0; i < 8; ++i) {
      std::vector<int32_t> prompt = ids(100'000 * (i % 2), prefix);
      const std::vector<int32_t> rest = ids(5000 + 100 * i, 10);
      prompt.insert(prompt.end(), rest.begin(), rest.end());
      made.push_back(make_row(static_cast<uint64_t>(i), std::move(prompt),
                              i >= first_long ? longest : 10 + i / 2));
    }
    return made;
  };
  using Order = BatchPlanner::Order;
  using Rows = std::vector<uint64_t>;
  CHECK(order(rows(1024, 14, 7), Order::kByOutput) == Rows{7, 5, 3, 1, 6, 4, 2, 0});
  CHECK(order(rows(0, 14, 7), Order::kByOutput) == Rows{7, 6, 4, 5, 2, 3, 0, 1});
  // The second long row would start when a short one has ended: ten steps for 6 x 32 tokens.
  CHECK(order(rows(32, 5000, 6), Order::kByOutput) == Rows{6, 7, 4, 5, 2, 3, 0, 1});
  CHECK(order(rows(1024, 5000, 6), Order::kByOutput) == Rows{6, 4, 2, 0, 7, 5, 3, 1});
  CHECK(order(rows(32, 5000, 6), Order::kByPrompt) == Rows{0, 2, 4, 6, 1, 3, 5, 7});
}

TEST_CASE("a window goes on with the prefix that the one before it ended with") {
  SchedulerOptions options{
      .max_num_seqs = 2, .max_batched_tokens = 4096, .sort_window = 8, .share_prefixes = true};
  std::vector<SequencePtr> rows;
  for (int i = 0; i < 64; ++i) {
    // Tasks of 20 rows, so that windows end within them.
    std::vector<int32_t> prompt = ids(100'000 * (i / 20), 256);
    prompt.push_back(-i);
    rows.push_back(make_row(static_cast<uint64_t>(i), std::move(prompt), 3));
  }
  CHECK(ScheduledJob(options, 40).run(rows, kNever).computed == 4 * 256 + 64);
}

TEST_CASE("only packed prompts share prefixes") {
  for (const PromptPolicy policy : {PromptPolicy::kPadded, PromptPolicy::kSerial}) {
    const SchedulerOptions options{.prompt_policy = policy,
                                   .max_num_seqs = 8,
                                   .max_batched_tokens = 4096,
                                   .sort_window = 8,
                                   .share_prefixes = true};
    Scheduler scheduler(options, 100);
    for (const SequencePtr& row : rows_with_prefix(8, 256, 5, 3)) scheduler.add(row);
    for (const SequencePtr& row : scheduler.start_rows(true)) CHECK(row->shared_tokens == 0);
  }
}

// Layers of all positions and of two windows, in slabs that hold several pages of some.
PageGroups mixed_groups(int64_t short_window, int64_t long_window) {
  return page_groups({{.window = 0, .num_layers = 2},
                      {.window = short_window, .num_layers = 5},
                      {.window = long_window, .num_layers = 1}});
}

TEST_CASE("rows read what they expect behind windows, too, and every page comes back") {
  int64_t shared = 0;
  for (uint32_t seed = 0; seed < 120; ++seed) {
    PromptForest forest(seed, seed % 3 == 0 ? 3 : 5000, 900);
    const int window = forest.uniform(1, 400);
    SchedulerOptions options{.max_batched_tokens = forest.uniform(60, 600),
                             .page_groups = mixed_groups(window, window + forest.uniform(1, 300))};
    if (seed % 5 == 4) options.page_groups = page_groups({{.window = window, .num_layers = 3}});
    // Little memory: a row of 4 samples needs up to 36 pages of each group.
    shared += shared_in_random_job(seed, forest, options, forest.uniform(66, 150));
  }
  CHECK(shared > 120 * 1000);
}

TEST_CASE("with windows a prefix is computed once, in groups of rows of any size") {
  for (const int window : {1, 100, 129, 700}) {
    for (const Schedule schedule : {Schedule::kRefill, Schedule::kStatic}) {
      for (const size_t max_num_seqs : {size_t{1}, size_t{7}}) {
        CAPTURE(window);
        const SchedulerOptions options{.schedule = schedule,
                                       .max_num_seqs = max_num_seqs,
                                       .max_batched_tokens = 400,
                                       .sort_window = 12,
                                       .page_groups = mixed_groups(window, window + 50),
                                       .share_prefixes = true};
        // Outputs that go far beyond the window, and the pages of the prompt.
        const JobOutcome outcome =
            ScheduledJob(options, 300).run(rows_with_prefix(30, 400, 30, 300), kNever);
        CHECK(outcome.shared == 29 * 400);
      }
    }
  }
}

TEST_CASE("a prompt longer than its ring of pages shares what the ring still holds") {
  const SchedulerOptions options{.max_num_seqs = 6,
                                 .max_batched_tokens = 256,
                                 .sort_window = 12,
                                 .page_groups = mixed_groups(100, 150),
                                 .share_prefixes = true};
  // A long document and questions: all of it. A short one in front of long texts: it has been
  // written over when the next row starts.
  const auto shared = [&](int prefix, int own) {
    return ScheduledJob(options, 400).run(rows_with_prefix(12, prefix, own, 9), kNever).shared;
  };
  CHECK(shared(3000, 60) == 11 * 3000);
  CHECK(shared(300, 3000) == 0);
}

}  // namespace eet::test
