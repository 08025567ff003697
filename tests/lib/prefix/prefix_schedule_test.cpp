// Rows that share prefixes, without an engine: pages hold what the rows that read them expect, a
// prefix is computed once, and pages come back.
#include <doctest/doctest.h>

#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "lib/schedule/scheduler.h"
#include "tests/lib/prefix/prompt_forest.h"

namespace eet::test {
namespace {

// What a token's keys and values depend on: all tokens up to it.
uint64_t mix(uint64_t before, uint64_t token) {
  return (before ^ (token + 0x9E3779B97F4A7C15U)) * 0xD1342543DE82EF95U + 1;
}

// Plays the device: writes what passes write, and checks that they read what their row expects.
class Device {
 public:
  // Rows of other kinds have other keys for the same tokens.
  explicit Device(int64_t short_context) : short_context_(short_context) {}

  void run(const PromptPass& pass) {
    for (const PromptSegment& segment : pass) {
      if (segment.continues_prefix()) copy_page(*segment.sequence, segment.first);
    }
    for (const PromptSegment& segment : pass) {
      for (int32_t p = segment.first; p < segment.end(); ++p) write(*segment.sequence, p);
    }
    for (const PromptSegment& segment : pass) {
      read(*segment.sequence, segment.end());
      if (!segment.ends_prompt()) continue;
      for (const SequencePtr& follower : segment.sequence->followers) {
        copy_page(*follower, follower->prompt_len());
      }
    }
  }

  void step(const Sequence& sequence) {
    write(sequence, sequence.position);
    read(sequence, sequence.position + 1);
  }

 private:
  using Page = std::vector<uint64_t>;

  void copy_page(const Sequence& sequence, int32_t shared) {
    if (sequence.copied_page < 0) return;
    pages_[sequence.pages[static_cast<size_t>(shared / kPageSize)]] = pages_[sequence.copied_page];
  }

  // Expected content, position by position.
  const std::vector<uint64_t>& expected(const Sequence& sequence) {
    const Request& request = sequence.request;
    std::vector<uint64_t>& row = expected_[{request.row, sequence.sample}];
    if (!row.empty()) return row;
    uint64_t all = static_cast<int64_t>(request.prompt.size()) > short_context_ ? 1 : 0;
    for (int64_t p = 0; p < sequence.max_positions(); ++p) {
      const uint64_t generated = (request.row + 1) * 1000 + static_cast<uint64_t>(sequence.sample);
      all = mix(all, p < sequence.prompt_len()
                         ? static_cast<uint64_t>(request.prompt[static_cast<size_t>(p)])
                         : generated);
      row.push_back(all);
    }
    return row;
  }

  void write(const Sequence& sequence, int32_t position) {
    Page& page = pages_[sequence.pages[static_cast<size_t>(position / kPageSize)]];
    page.resize(kPageSize);
    page[static_cast<size_t>(position % kPageSize)] =
        expected(sequence)[static_cast<size_t>(position)];
  }

  void read(const Sequence& sequence, int32_t context_len) {
    bool intact = true;
    for (int32_t p = 0; p < context_len; ++p) {
      const Page& page = pages_[sequence.pages[static_cast<size_t>(p / kPageSize)]];
      intact &= !page.empty() && page[static_cast<size_t>(p % kPageSize)] ==
                                     expected(sequence)[static_cast<size_t>(p)];
    }
    CHECK(intact);
  }

  int64_t short_context_;
  std::map<int32_t, Page> pages_;
  std::map<std::pair<uint64_t, int32_t>, std::vector<uint64_t>> expected_;
};

struct Outcome {
  int64_t computed = 0;  // prompt tokens that passes fed
  int64_t shared = 0;    // prompt tokens that they did not
  int64_t most_rows = 0;
};

// A job: rows are added as far ahead as the engine is fed.
class Play {
 public:
  Play(const SchedulerOptions& options, int64_t num_pages)
      : scheduler_(options, num_pages),
        num_pages_(num_pages),
        device_(options.short_context > 0 ? options.short_context : INT64_MAX) {}

  // Rows end before their max_tokens where `ends_early` says so.
  template <typename EndsEarly>
  Outcome run(const std::vector<SequencePtr>& rows, EndsEarly ends_early) {
    size_t next = 0;
    while (next < rows.size() || scheduler_.num_waiting() > 0 || scheduler_.has_running()) {
      while (next < rows.size() && scheduler_.num_waiting() < scheduler_.sort_window()) {
        scheduler_.add(rows[next++]);
      }
      for (const SequencePtr& row : scheduler_.start_rows(true)) started_.push_back(row);
      if (const auto pass = scheduler_.next_prompt_pass()) {
        feed(*pass);
      } else {
        const std::vector<SequencePtr> decoded = scheduler_.decode_rows();
        CHECK(scheduler_.repeated_tokens() == repeated_tokens(decoded));
        for (const SequencePtr& sequence : decoded) {
          device_.step(*sequence);
          ++sequence->position;
          ++sequence->num_issued;
        }
      }
      end_rows(ends_early);
    }
    CHECK(scheduler_.pages().num_free() == num_pages_);
    return outcome_;
  }

 private:
  void feed(const PromptPass& pass) {
    device_.run(pass);
    for (const PromptSegment& segment : pass) {
      Sequence& sequence = *segment.sequence;
      outcome_.computed += segment.count;
      if (segment.first == sequence.shared_tokens) outcome_.shared += sequence.shared_tokens;
      if (!segment.ends_prompt()) continue;
      ++sequence.num_issued;
      for (const SequencePtr& follower : sequence.followers) ++follower->num_issued;
    }
  }

  template <typename EndsEarly>
  void end_rows(EndsEarly ends_early) {
    outcome_.most_rows = std::max(outcome_.most_rows, static_cast<int64_t>(started_.size()));
    std::erase_if(started_, [&](const SequencePtr& row) {
      if (row->num_issued < row->params.max_tokens && !ends_early()) return false;
      scheduler_.end(*row);
      return true;
    });
  }

  static int64_t repeated_tokens(const std::vector<SequencePtr>& rows) {
    std::set<int32_t> pages;
    int64_t repeated = 0;
    for (const SequencePtr& row : rows) {
      for (int32_t page = 0; page < row->prompt_len() / kPageSize; ++page) {
        repeated += pages.insert(row->pages[static_cast<size_t>(page)]).second ? 0 : kPageSize;
      }
    }
    return repeated;
  }

  Scheduler scheduler_;
  int64_t num_pages_;
  Device device_;
  std::vector<SequencePtr> started_;
  Outcome outcome_;
};

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

}  // namespace

TEST_CASE("rows read what they expect from pages they share, and every page comes back") {
  int64_t shared = 0;
  for (uint32_t seed = 0; seed < 80; ++seed) {
    CAPTURE(seed);
    PromptForest forest(seed, seed % 3 == 0 ? 3 : 5000, 600);
    SchedulerOptions options{.schedule = seed % 2 ? Schedule::kStatic : Schedule::kRefill,
                             .max_num_seqs = static_cast<size_t>(forest.uniform(4, 16)),
                             .max_batched_tokens = forest.uniform(60, 1500),
                             .sort_window = static_cast<size_t>(forest.uniform(1, 40)),
                             .share_prefixes = true};
    if (seed % 4 == 3) options.short_context = 300;
    const std::vector<SequencePtr> rows = random_rows(forest, 40);
    // Little memory: a row of 4 samples needs up to 16 pages.
    const Outcome outcome =
        Play(options, forest.uniform(16, 50)).run(rows, [&] { return forest.uniform(0, 60) == 0; });
    CHECK(outcome.computed + outcome.shared == prompt_tokens(rows));
    shared += outcome.shared;
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
          const Outcome outcome = Play(options, num_pages).run(copies, kNever);
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
  CHECK(Play(sharing, 8 + 40 + 1).run(rows_with_prefix(64, 1024, 60, 20), kNever).most_rows >= 40);
  SchedulerOptions apart = sharing;
  apart.share_prefixes = false;
  CHECK(Play(apart, 8 + 40 + 1).run(rows_with_prefix(64, 1024, 60, 20), kNever).most_rows == 5);
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
    BatchPlanner planner(by, 64);
    planner.share_prefixes(
        {.max_num_seqs = 4, .outputs_matter = by == BatchPlanner::Order::kByOutput});
    for (const SequencePtr& row : all) planner.add(row);
    std::vector<uint64_t> taken;
    while (planner.num_waiting() > 0) {
      for (const SequencePtr& row : planner.take(planner.next_group(64, 1000).rows)) {
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
  CHECK(Play(options, 40).run(rows, kNever).computed == 4 * 256 + 64);
}

TEST_CASE("only packed prompts share prefixes, and none whose pages are written again") {
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
  const SchedulerOptions windows{.max_num_seqs = 8,
                                 .max_batched_tokens = 4096,
                                 .sort_window = 8,
                                 .kv_window = 200,
                                 .share_prefixes = true};
  Scheduler scheduler(windows, 100);
  for (const SequencePtr& row : rows_with_prefix(8, 256, 5, 3)) scheduler.add(row);
  for (const SequencePtr& row : scheduler.start_rows(true)) CHECK(row->shared_tokens == 0);
}

}  // namespace eet::test
