// Rows that share prefixes give the bits that they give alone: on the CPU, with random weights.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/lib/generated_samples.h"
#include "tests/lib/prefix/prompt_forest.h"

namespace eet::test {
namespace {

// All that may differ between rows, scored ones among them.
std::vector<Request> forest_requests(uint32_t seed, size_t count, int longest = 420) {
  PromptForest forest(seed, 97, longest);
  std::vector<Request> requests;
  for (std::vector<int32_t>& prompt : forest.grow(count)) {
    const size_t i = requests.size();
    const auto size = static_cast<int32_t>(prompt.size());
    Request request{.row = i, .prompt = std::move(prompt), .params = {}};
    SamplingParams& params = request.params;
    params.max_tokens = forest.uniform(1, 20);
    params.ignore_eos = true;
    params.temperature = i % 3 == 0 ? 0.0F : 0.9F;
    if (i % 3 == 1) params.seed = 99;
    if (i % 4 == 2) params.repetition_penalty = 1.5F;
    if (i % 5 == 3) params.presence_penalty = 0.6F;
    if (i % 6 == 5) params.stop_token_ids = {5, 17, 40, 41, 42, 43, 44, 45, 46, 47, 48};
    if (i % 7 == 4) params.n = 3;
    if (i % 4 == 1 && size > 1) request.score_from = forest.uniform(1, size - 1);
    requests.push_back(std::move(request));
  }
  return requests;
}

int64_t prompt_tokens(const std::vector<Request>& requests) {
  int64_t tokens = 0;
  for (const Request& request : requests) {
    tokens += static_cast<int64_t>(request.prompt.size()) - (request.score_from ? 1 : 0);
  }
  return tokens;
}

// One row after another.
Samples run_alone(const ModelConfig& config, const std::vector<Request>& requests) {
  Samples outputs;
  Engine engine(config, {}, cpu_options());
  for (const Request& request : requests) outputs.merge(generate(engine, {request}));
  CHECK(engine.stats().shared_tokens == 0);
  return outputs;
}

// With sharing in several arrangements, and without. Returns the most prompt tokens shared.
int64_t check_arrangements(const ModelConfig& config, const std::vector<Request>& requests,
                           const Samples& expected) {
  int64_t most = 0;
  std::vector<Request> shuffled = requests;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(4));
  for (const int budget : {64, 300, 4096}) {
    for (const bool share : {true, false}) {
      CAPTURE(budget);
      CAPTURE(share);
      EngineOptions options = cpu_options();
      options.share_prefixes = share;
      options.schedule = budget == 300 ? Schedule::kStatic : Schedule::kRefill;
      options.max_num_seqs = budget == 64 ? 3 : 20;
      options.max_num_batched_tokens = budget;
      Engine engine(config, {}, options);
      CHECK(generate(engine, budget == 64 ? requests : shuffled) == expected);
      const EngineStats& stats = engine.stats();
      CHECK(stats.prompt_tokens + stats.shared_tokens == prompt_tokens(requests));
      CHECK(stats.prompt_positions == stats.prompt_tokens);
      if (!share) CHECK(stats.shared_tokens == 0);
      most = std::max(most, stats.shared_tokens);
    }
  }
  return most;
}

void check_model(const ModelConfig& config, uint32_t seed) {
  const std::vector<Request> requests = forest_requests(seed, 24);
  const int64_t shared = check_arrangements(config, requests, run_alone(config, requests));
  CHECK(shared > 500);
}

AttentionConfig& attention(ModelConfig& config, size_t kind = 0) {
  return config.layer_kinds[kind].attention;
}

}  // namespace

TEST_CASE("rows of random prefix trees have the same bits with and without sharing, and alone") {
  for (const uint32_t seed : {1, 2}) {
    CAPTURE(seed);
    check_model(small_config(), seed);
  }
}

TEST_CASE("learned positions and ALiBi share prefixes") {
  ModelConfig config = small_config();
  attention(config).rope = {};
  config.learned_positions = true;
  check_model(config, 4);
  config.learned_positions = false;
  attention(config).alibi_scale = 1;
  check_model(config, 5);
}

TEST_CASE("windows in some layers, or in all, share prefixes") {
  ModelConfig config = small_config();
  config.layer_kinds.push_back(config.layer_kinds[0]);
  attention(config, 1).window = 70;
  config.layers = {0, 1};
  check_model(config, 6);
  config.layers = {1, 1};
  config.layer_kinds.erase(config.layer_kinds.begin());
  config.layers = {0, 0};
  check_model(config, 7);
}

TEST_CASE("longrope prompts share with those on their side of the original context only") {
  ModelConfig config = small_config();
  RopeConfig& rope = attention(config).rope;
  rope.scaling = RopeConfig::Scaling::kLongrope;
  rope.original_max_position_embeddings = 256;
  rope.short_factors = {1.0, 1.1, 1.2, 1.3};
  rope.long_factors = {2.0, 3.0, 4.0, 5.0};
  check_model(config, 8);
}

TEST_CASE("equal prompts are computed once, but for the token that each continues from") {
  Engine engine(small_config(), {}, cpu_options());
  std::vector<Request> requests(10, make_request(0, 300, 5));
  for (size_t row = 0; row < requests.size(); ++row) {
    requests[row].row = row;
    requests[row].params.temperature = 0;
  }
  const Samples outputs = generate(engine, requests);
  for (const auto& [key, output] : outputs) CHECK(output == outputs.at({0, 0}));
  CHECK(engine.stats().prompt_tokens == 300 + 9);
  CHECK(engine.stats().shared_tokens == 9 * 299);
  CHECK(engine.stats().shared_tokens_by_level == std::vector<int64_t>{9 * 299});
}

TEST_CASE("what several engines shared adds up") {
  EngineStats one;
  one.shared_tokens = 5;
  one.shared_tokens_by_level = {3, 2};
  one.decode_repeated_tokens = 7;
  EngineStats other = one;
  other.shared_tokens_by_level = {10};
  const EngineStats all = together(std::vector<EngineStats>{one, other});
  CHECK(all.shared_tokens == 10);
  CHECK(all.shared_tokens_by_level == std::vector<int64_t>{13, 2});
  CHECK(all.decode_repeated_tokens == 14);
}

TEST_CASE("a stopped row does not disturb those that share its prefix, or start after it") {
  const std::vector<Request> requests = forest_requests(9, 40);
  EngineOptions options = cpu_options();
  options.max_num_seqs = 6;
  options.max_num_batched_tokens = 200;
  Engine undisturbed(small_config(), {}, options);
  const Samples expected = generate(undisturbed, requests);
  Engine engine(small_config(), {}, options);
  for (const Request& request : requests) engine.add_request(request);
  Samples outputs;
  while (engine.has_work()) {
    std::vector<std::pair<uint64_t, int32_t>> stopped;
    for (const TokenOutput& token : engine.step()) {
      Sample& output = outputs[{token.row, token.sample}];
      output.tokens.push_back(token.token_id);
      if (token.row % 2 == 0) stopped.emplace_back(token.row, token.sample);
    }
    for (const auto& [row, sample] : stopped) engine.stop(row, sample);
    if (!stopped.empty()) engine.stop(stopped.front().first + 1);  // whatever it is doing
  }
  for (const auto& [key, output] : outputs) {
    const std::vector<int32_t>& tokens = expected.at(key).tokens;
    REQUIRE(output.tokens.size() <= tokens.size());
    CHECK(std::equal(output.tokens.begin(), output.tokens.end(), tokens.begin()));
  }
}

}  // namespace eet::test
