// Several samples of one row: the same tokens in any company, and pages that are shared and come
// back.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "lib/schedule/scheduler.h"
#include "tests/lib/generated_samples.h"
#include "tests/lib/small_engine.h"

namespace eet::test {
namespace {

// Prompts that end before, at and after a page's border, with all that may differ between samples.
std::vector<Request> sampled_requests() {
  std::vector<Request> requests;
  for (uint64_t row = 0; row < 12; ++row) {
    const int lengths[] = {1, 100, 127, 128, 129, 256, 290};
    Request request = make_request(row, lengths[row % 7], 1 + static_cast<int>(row * 5 % 34));
    SamplingParams& params = request.params;
    params.n = 1 + static_cast<int32_t>(row % 4);
    if (row % 5 == 4) params.best_of = 5;
    params.temperature = row == 3 ? 0.0F : 0.9F;
    if (row % 3 == 1) params.seed = 99;
    if (row % 4 == 2) params.repetition_penalty = 1.4F;
    if (row % 4 == 3) params.presence_penalty = 0.6F;
    if (row % 6 == 5) params.stop_token_ids = {5, 17, 40, 41, 42, 43, 44, 45, 46, 47, 48};
    requests.push_back(request);
  }
  return requests;
}

}  // namespace

TEST_CASE("the samples of a row have the same bits in any batch, pass size and prompt policy") {
  const std::vector<Request> requests = sampled_requests();
  EngineOptions options = cpu_options();
  options.max_num_seqs = 5;
  Samples expected;
  for (const Request& request : requests) {
    Engine engine(small_config(), {}, options);
    expected.merge(generate(engine, {request}));
  }
  std::vector<Request> shuffled = requests;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(4));
  for (const PromptPolicy policy : {PromptPolicy::kPacked, PromptPolicy::kPadded,
                                    PromptPolicy::kMinLength, PromptPolicy::kSerial}) {
    for (const int budget : {64, 200, 4096}) {
      CAPTURE(static_cast<int>(policy));
      CAPTURE(budget);
      options.prompt_policy = policy;
      options.schedule = budget == 200 ? Schedule::kStatic : Schedule::kRefill;
      options.max_num_seqs = budget == 64 ? 5 : 24;
      options.max_num_batched_tokens = budget;
      Engine engine(small_config(), {}, options);
      CHECK(generate(engine, budget == 64 ? requests : shuffled) == expected);
    }
  }
}

TEST_CASE("a row's first sample is what the row gives alone, and the others differ") {
  Engine engine(small_config(), {}, cpu_options());
  for (const Request& request : sampled_requests()) {
    CAPTURE(request.row);
    Request alone = request;
    alone.params.n = 1;
    alone.params.best_of = 0;
    const Samples samples = generate(engine, {request});
    CHECK(samples.size() == static_cast<size_t>(request.params.num_samples()));
    CHECK(samples.at({request.row, 0}) == generate(engine, {alone}).at({request.row, 0}));
    std::set<std::vector<int32_t>> different;
    for (const auto& [key, sample] : samples) different.insert(sample.tokens);
    const bool is_greedy = request.params.temperature == 0.0F;
    if (is_greedy) CHECK(different.size() == 1);
    if (!is_greedy && request.params.max_tokens > 8) CHECK(different.size() == samples.size());
  }
}

TEST_CASE("streams of rows and samples are all different") {
  std::set<uint64_t> streams;
  for (const uint64_t row_stream : {0, 1, 2, 1000}) {
    for (int32_t sample = 0; sample < 100; ++sample) {
      CHECK(streams.insert(sample_stream(row_stream, sample)).second);
    }
    CHECK(sample_stream(row_stream, 0) == row_stream);
  }
}

TEST_CASE("a prompt is computed once for all samples of its row") {
  for (const PromptPolicy policy : {PromptPolicy::kPacked, PromptPolicy::kPadded}) {
    EngineOptions options = cpu_options();
    options.prompt_policy = policy;
    Engine engine(small_config(), {}, options);
    Request request = make_request(0, 200, 6);
    request.params.n = 8;
    CHECK(generate(engine, {request}).size() == 8);
    CHECK(engine.stats().prompt_tokens == 200);
    CHECK(engine.stats().prompt_positions == 200);
    CHECK(engine.stats().padded_positions == 200);
    CHECK(engine.stats().output_tokens == 48);
    CHECK(engine.stats().decode_row_steps == 8 * 5);
  }
}

TEST_CASE("a stopped sample gives no further tokens, and the row's others are not disturbed") {
  EngineOptions options = cpu_options();
  options.max_num_seqs = 4;
  Request request = make_request(0, 130, 30);
  request.params.n = 4;
  Engine undisturbed(small_config(), {}, options);
  const Samples expected = generate(undisturbed, {request});
  for (const int32_t stopped : {0, 2}) {  // the one that fed the prompt, and one that did not
    CAPTURE(stopped);
    Engine engine(small_config(), {}, options);
    engine.add_request(request);
    Samples samples;
    while (engine.has_work()) {
      bool stop = false;
      for (const TokenOutput& output : engine.step()) {
        if (output.row != 0) continue;
        samples[{0, output.sample}].tokens.push_back(output.token_id);
        stop |= output.sample == stopped && samples[{0, stopped}].tokens.size() == 2;
      }
      // Its slot and pages go to another row while the others run.
      if (stop) {
        engine.stop(0, stopped);
        engine.add_request(make_request(1, 300, 40));
      }
    }
    CHECK(samples[{0, stopped}].tokens.size() == 2);
    for (const auto& [key, sample] : expected) {
      if (key.second != stopped) CHECK(samples[key].tokens == sample.tokens);
    }
  }
}

TEST_CASE("more samples than rows may run together are refused with both numbers") {
  EngineOptions options = cpu_options();
  options.max_num_seqs = 6;
  Engine engine(small_config(), {}, options);
  Request request = make_request(0, 10, 5);
  request.params.n = 7;
  auto error = engine.check(request);
  REQUIRE(error);
  CHECK(error->code == "invalid_parameter");
  CHECK(error->message.find("n: expected at most 6 (--max-num-seqs), got 7") == 0);
  request.params.n = 2;
  request.params.best_of = 8;
  error = engine.check(request);
  REQUIRE(error);
  CHECK(error->message.find("best_of: ") == 0);
  request.params.best_of = 1;
  CHECK(engine.check(request)->code == "invalid_parameter");
  request.params.best_of = 0;
  request.params.n = 0;
  CHECK(engine.check(request)->code == "invalid_parameter");
  request.params.n = 6;
  CHECK_FALSE(engine.check(request));
}

namespace {

SequencePtr make_family(uint64_t row, int prompt_len, int max_tokens, int n) {
  auto sequence = std::make_shared<Sequence>();
  sequence->request = make_request(row, prompt_len, max_tokens);
  sequence->request.params.n = n;
  sequence->params.max_tokens = max_tokens;
  return sequence;
}

}  // namespace

TEST_CASE("samples share the pages that their prompt fills, and give each back once") {
  const SchedulerOptions options{.max_num_seqs = 8, .max_batched_tokens = 1024, .sort_window = 64};
  Scheduler scheduler(options, 20);
  // Two full pages of prompt; each sample has one more, of prompt and output.
  scheduler.add(make_family(0, 2 * kPageSize + 10, 20, 3));
  const std::vector<SequencePtr> rows = scheduler.start_rows(true);
  REQUIRE(rows.size() == 3);
  CHECK(scheduler.pages().num_free_slabs() == 20 - 2 - 3);
  std::set<int32_t> pages;
  std::set<int> slots;
  for (const SequencePtr& sequence : rows) {
    const std::vector<int32_t>& table = sequence->pages[0].table;
    REQUIRE(table.size() == 3);
    CHECK(table[0] == rows[0]->pages[0].table[0]);
    CHECK(table[1] == rows[0]->pages[0].table[1]);
    CHECK(sequence->position == 2 * kPageSize + 10);
    pages.insert(table.begin(), table.end());
    slots.insert(sequence->slot);
    CHECK(scheduler.find(0, sequence->sample) == sequence);
  }
  CHECK(pages.size() == 5);
  CHECK(slots.size() == 3);
  int segments = 0;
  while (const auto pass = scheduler.next_prompt_pass()) segments += static_cast<int>(pass->size());
  CHECK(segments == 1);  // only the first one feeds the prompt
  CHECK(scheduler.decode_rows().size() == 3);

  scheduler.end(*rows[0]);
  CHECK(scheduler.pages().num_free_slabs() == 20 - 2 - 2);
  scheduler.end(*rows[2]);
  CHECK(scheduler.pages().num_free_slabs() == 20 - 2 - 1);
  CHECK(scheduler.has_running());
  scheduler.end(*rows[1]);
  CHECK(scheduler.pages().num_free_slabs() == 20);
  CHECK_FALSE(scheduler.has_running());
}

TEST_CASE("the samples of a row start together, once there are slots and pages for all") {
  const SchedulerOptions options{.max_num_seqs = 4, .max_batched_tokens = 1024, .sort_window = 1};
  Scheduler scheduler(options, 100);
  scheduler.add(make_family(0, 5, 9, 2));
  scheduler.add(make_family(1, 5, 9, 3));
  const std::vector<SequencePtr> first = scheduler.start_rows(true);
  CHECK(first.size() == 2);
  while (scheduler.next_prompt_pass()) {
  }
  CHECK(scheduler.start_rows(true).empty());  // two slots are free, three are needed
  scheduler.end(*first[1]);
  CHECK(scheduler.start_rows(true).size() == 3);

  const auto planner_of = [](bool share_prompts) {
    return BatchPlanner(BatchPlanner::Order::kByPrompt, 8, PageRules({}, 1024, share_prompts));
  };
  BatchPlanner planner = planner_of(true);
  planner.add(make_family(0, 2 * kPageSize, 2, 4));  // two shared pages and four of their own
  CHECK(planner.next_group(8, PagePool({}, 5)).rows == 0);
  CHECK(planner.next_group(8, PagePool({}, 6)).samples == 4);
  BatchPlanner unshared = planner_of(false);
  unshared.add(make_family(0, 2 * kPageSize, 2, 4));
  CHECK(unshared.next_group(8, PagePool({}, 11)).rows == 0);
  CHECK(unshared.next_group(8, PagePool({}, 12)).samples == 4);
}

TEST_CASE("a page is free when its last owner has given it back") {
  PagePool pool({}, 3);
  const std::vector<int32_t> pages = pool.take(0, 2);
  pool.share(0, pages);
  pool.give_back(0, pages);
  CHECK(pool.num_free_slabs() == 1);
  pool.give_back(0, pages);
  CHECK(pool.num_free_slabs() == 3);
  CHECK_THROWS(pool.give_back(0, pages));
  CHECK_THROWS(pool.share(0, pages));
}

}  // namespace eet::test
