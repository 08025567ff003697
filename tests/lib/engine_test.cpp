// The engine on the CPU with random weights: scheduling, limits and errors. What the tokens should
// be is tested against the reference implementation in tests/golden.
#include "lib/engine.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "lib/request_check.h"
#include "lib/schedule/sequence.h"
#include "tests/lib/small_engine.h"

using namespace eet;
using namespace eet::test;

namespace {

struct Row {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  FinishReason finish = FinishReason::kNone;
  bool operator==(const Row& other) const {
    return tokens == other.tokens && finish == other.finish && same_bits(logprobs, other.logprobs);
  }
};

std::map<uint64_t, Row> run(Engine& engine, const std::vector<Request>& requests) {
  std::map<uint64_t, Row> rows;
  for (const TokenOutput& output : run_engine(engine, requests)) {
    Row& row = rows[output.row];
    CHECK(row.finish == FinishReason::kNone);
    row.tokens.push_back(output.token_id);
    row.logprobs.push_back(output.logprob);
    row.finish = output.finish;
  }
  return rows;
}

// Rows of all kinds: greedy and sampled, short and over a page, with penalties and stop ids.
std::vector<Request> mixed_requests() {
  std::vector<Request> requests;
  for (uint64_t row = 0; row < 23; ++row) {
    Request request = make_request(row, 1 + static_cast<int>(row * row * 7 % 290),
                                   1 + static_cast<int>(row % 9) * 3);
    SamplingParams& params = request.params;
    params.temperature = row % 3 == 0 ? 0.0F : 0.5F + 0.1F * static_cast<float>(row);
    if (row % 4 == 1) params.top_k = 10;
    if (row % 4 == 2) params.top_p = 0.7F;
    if (row % 5 == 3) params.repetition_penalty = 1.5F;
    if (row % 5 == 4) params.frequency_penalty = 0.7F;
    if (row % 6 == 5) params.seed = 1234;
    if (row % 7 == 6) params.stop_token_ids = {5, 17, 40, 41, 42, 43, 44, 45, 46, 47, 48};
    requests.push_back(request);
  }
  return requests;
}

}  // namespace

TEST_CASE("rows give the same bits in any batch, order, pass size and prompt policy") {
  const std::vector<Request> requests = mixed_requests();
  std::map<uint64_t, Row> alone;
  {
    EngineOptions options = cpu_options();
    options.max_num_seqs = 1;
    Engine engine(small_config(), {}, options);
    alone = run(engine, requests);
    REQUIRE(alone.size() == requests.size());
  }
  std::vector<Request> shuffled = requests;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(3));
  for (const PromptPolicy policy : {PromptPolicy::kPacked, PromptPolicy::kPadded,
                                    PromptPolicy::kMinLength, PromptPolicy::kSerial}) {
    for (const int seqs : {7, 64}) {
      for (const int budget : {64, 200, 4096}) {
        const Schedule schedule = budget == 200 ? Schedule::kStatic : Schedule::kRefill;
        CAPTURE(static_cast<int>(policy));
        CAPTURE(seqs);
        CAPTURE(budget);
        EngineOptions options = cpu_options();
        options.prompt_policy = policy;
        options.schedule = schedule;
        options.max_num_seqs = seqs;
        options.max_num_batched_tokens = budget;
        Engine engine(small_config(), {}, options);
        CHECK(run(engine, seqs == 7 ? requests : shuffled) == alone);
      }
    }
  }
}

TEST_CASE("statistics count what was computed") {
  std::vector<Request> requests;
  for (const int length : {10, 4, 7}) requests.push_back(make_request(requests.size(), length, 5));
  struct Expected {
    PromptPolicy policy;
    int64_t prompt_positions, decode_steps;
  };
  for (const auto [policy, positions, steps] :
       {Expected{PromptPolicy::kPacked, 21, 4}, Expected{PromptPolicy::kPadded, 30, 4},
        Expected{PromptPolicy::kMinLength, 21, 10}, Expected{PromptPolicy::kSerial, 21, 14}}) {
    EngineOptions options = cpu_options();
    options.prompt_policy = policy;
    Engine engine(small_config(), {}, options);
    run(engine, requests);
    const EngineStats& stats = engine.stats();
    CHECK(stats.prompt_tokens == 21);
    CHECK(stats.prompt_positions == positions);
    CHECK(stats.padded_positions == 30);
    CHECK(stats.decode_steps == steps);
    CHECK(stats.output_tokens == 15);
    CHECK(stats.batches == 1);
  }
}

TEST_CASE("rows that end leave the batch") {
  std::vector<Request> requests = {make_request(0, 5, 2), make_request(1, 5, 40)};
  Engine engine(small_config(), {}, cpu_options());
  run(engine, requests);
  CHECK(engine.stats().decode_row_steps == 1 + 39);
}

TEST_CASE("a stopped row gives no further tokens, and the others go on") {
  Engine engine(small_config(), {}, cpu_options());
  engine.add_request(make_request(0, 5, 50));
  engine.add_request(make_request(1, 5, 50));
  std::map<uint64_t, int> tokens;
  while (engine.has_work()) {
    bool stop = false;
    for (const TokenOutput& output : engine.step()) {
      ++tokens[output.row];
      stop |= output.row == 0 && tokens[0] == 3;
    }
    if (stop) engine.stop(0);
  }
  CHECK(tokens[0] == 3);
  CHECK(tokens[1] == 50);
}

TEST_CASE("a stop token ends the row, is reported, and min_tokens delays it") {
  Request request = make_request(0, 5, 50);
  for (int32_t id = 0; id < 30; ++id) request.params.stop_token_ids.push_back(id);
  request.params.seed = 2;
  Engine engine(small_config(), {}, cpu_options());
  const Row row = run(engine, {request})[0];
  CHECK(row.finish == FinishReason::kStop);
  CHECK(row.tokens.back() < 30);
  for (size_t i = 0; i + 1 < row.tokens.size(); ++i) CHECK(row.tokens[i] >= 30);
  request.params.min_tokens = 20;
  const Row delayed = run(engine, {request})[0];
  CHECK(delayed.tokens.size() >= 20);
  for (size_t i = 0; i < 20; ++i)
    CHECK((delayed.tokens[i] >= 30 || i + 1 == delayed.tokens.size()));
}

TEST_CASE("a row may use every position: its last token is sampled, not fed") {
  Engine engine(small_config(), {}, cpu_options());
  CHECK(engine.max_model_len() == 600);
  const Row row = run(engine, {make_request(0, 590, 1000)})[0];
  CHECK(row.tokens.size() == 11);
  CHECK(row.finish == FinishReason::kLength);
  CHECK(run(engine, {make_request(0, 600, 1000)})[0].tokens.size() == 1);
}

TEST_CASE("requests that can never run are refused by name") {
  EngineOptions options = cpu_options();
  options.max_model_len = 100;
  Engine engine(small_config(), {}, options);
  CHECK(engine.check(make_request(0, 0, 5))->code == "empty_prompt");
  CHECK(engine.check(make_request(0, 101, 5))->code == "prompt_too_long");
  CHECK_FALSE(engine.check(make_request(0, 100, 5)));
  Request request = make_request(0, 5, 5);
  request.prompt[2] = 97;
  CHECK(engine.check(request)->code == "token_out_of_range");
  request.prompt[2] = -1;
  CHECK(engine.check(request)->code == "token_out_of_range");
  request = make_request(0, 5, 5);
  request.params.top_p = 0.0F;
  CHECK(engine.check(request)->code == "invalid_parameter");
}

TEST_CASE("the samples of a row need its prompt's full pages once, and the rest each") {
  EngineShape shape;
  shape.max_model_len = 3 * kPageSize;
  Request request;
  request.prompt.assign(kPageSize + 1, 5);
  request.params.max_tokens = 10 * kPageSize;
  CHECK(tokens_that_fit(request, shape) == 2 * kPageSize);
  const auto fits = [&](PromptPolicy policy, int64_t pages) {
    return !check_pages(request, shape, policy, pages).has_value();
  };
  CHECK(fits(PromptPolicy::kPacked, 3));
  CHECK_FALSE(fits(PromptPolicy::kPacked, 2));
  request.params.n = 4;
  CHECK(fits(PromptPolicy::kPadded, 9));
  CHECK_FALSE(fits(PromptPolicy::kPadded, 8));
  CHECK(fits(PromptPolicy::kSerial, 12));
  CHECK_FALSE(fits(PromptPolicy::kSerial, 11));
  CHECK(check_pages(request, shape, PromptPolicy::kPacked, 8)->code == "does_not_fit");
}

TEST_CASE("options out of range are refused with the flag's name") {
  const auto message = [](auto change) {
    EngineOptions options = cpu_options();
    change(options);
    try {
      const Engine engine(small_config(), {}, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  using O = EngineOptions;
  CHECK(message([](O& o) { o.device = "tpu"; }).find("--device") != std::string::npos);
  CHECK(message([](O& o) { o.device = "cuda:x"; }).find("--device") != std::string::npos);
  CHECK(message([](O& o) { o.dtype = DType::kBF16; }).find("fp32") != std::string::npos);
  CHECK(message([](O& o) { o.max_model_len = 601; }).find("--max-model-len") != std::string::npos);
  CHECK(message([](O& o) { o.max_num_seqs = -1; }).find("--max-num-seqs") != std::string::npos);
  CHECK(message([](O& o) { o.gpu_memory_utilization = 1.5; }).find("--gpu-memory-utilization") !=
        std::string::npos);
}

TEST_CASE("the ledger names every part of the memory") {
  Engine engine(small_config(), {}, cpu_options());
  std::set<std::string> names;
  for (const MemoryItem& item : engine.memory()) {
    CHECK(item.bytes > 0);
    names.insert(item.name);
  }
  CHECK(names.size() == 6);
}
