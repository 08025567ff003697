// Rows of a model that turns all keys otherwise once a row is longer than the original context
// (longrope): short and long ones, and those that grow beyond it.
#include <doctest/doctest.h>

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "lib/request_check.h"
#include "tests/lib/generated_samples.h"
#include "tests/lib/small_engine.h"

namespace eet::test {
namespace {

constexpr int kOriginal = 200;

ModelConfig longrope_config(int original, std::vector<double> long_factors) {
  ModelConfig config = small_config();
  RopeConfig& rope = config.layer_kinds[0].attention.rope;
  rope.scaling = RopeConfig::Scaling::kLongrope;
  rope.original_max_position_embeddings = original;
  rope.short_factors = {1.0, 1.1, 1.3, 1.4};
  rope.long_factors = std::move(long_factors);
  return config;
}

ModelConfig longrope_config() {
  return longrope_config(kOriginal, {2.0, 4.0, 5.0, 9.0});
}

Samples run(const ModelConfig& config, const EngineOptions& options,
            const std::vector<Request>& requests) {
  Engine engine(config, nullptr, options);
  return generate(engine, requests);
}

Sample run_one(const ModelConfig& config, const Request& request) {
  return run(config, cpu_options(), {request}).begin()->second;
}

constexpr PromptPolicy kPolicies[] = {PromptPolicy::kPacked, PromptPolicy::kPadded,
                                      PromptPolicy::kMinLength, PromptPolicy::kSerial};

TEST_CASE(
    "a longrope row that grows beyond the original context goes on as if fed with all it has") {
  const ModelConfig config = longrope_config();
  for (const int prompt_len : {190, 199, 200}) {
    CAPTURE(prompt_len);
    Request request = make_request(1, prompt_len, 40);
    request.params.temperature = 0;
    const Sample whole = run_one(config, request);
    REQUIRE(whole.tokens.size() == 40);
    CHECK(whole.finish == FinishReason::kLength);
    // Tokens up to the one behind the context are a short row's.
    const int within = kOriginal - prompt_len + 1;
    CHECK(tokens_before_feeding_anew(request, {.max_model_len = 600, .short_context = kOriginal}) ==
          within);
    Request rest = request;
    rest.prompt.insert(rest.prompt.end(), whole.tokens.begin(), whole.tokens.begin() + within);
    rest.params.max_tokens = 40 - within;
    const Sample beyond = run_one(config, rest);
    CHECK(std::vector<int32_t>(whole.tokens.begin() + within, whole.tokens.end()) == beyond.tokens);
    CHECK(same_bits({whole.logprobs.begin() + within, whole.logprobs.end()}, beyond.logprobs));
  }
  Request request = make_request(1, 190, 11);
  CHECK(run_one(config, request).tokens.size() == 11);
  request.params.max_tokens = 100'000;
  CHECK(run_one(config, request).tokens.size() == 600 - 190 + 1);
}

// All that may differ between rows.
std::vector<Request> requests_around_the_border() {
  std::vector<Request> requests;
  for (uint64_t row = 0; row < 12; ++row) {
    Request request = make_request(row, 180 + 3 * static_cast<int>(row), 40);
    SamplingParams& params = request.params;
    params.temperature = row % 4 == 0 ? 0.0F : 0.9F;
    if (row % 3 == 0) params.seed = 5;
    if (row % 3 == 1) params.n = 3;
    if (row % 2 == 0) params.repetition_penalty = 1.3F;
    if (row % 4 == 1) params.presence_penalty = 0.8F;
    if (row % 4 == 3) params.frequency_penalty = 0.6F;
    if (row % 5 == 2) params.stop_token_ids = {3, 17, 29, 40};
    if (row % 5 == 2) params.min_tokens = 30;
    if (row % 6 == 5) request.top_logprobs = 3;
    requests.push_back(std::move(request));
  }
  requests.push_back(make_request(20, 230, 10));
  requests.push_back(make_request(21, 5, 10));
  return requests;
}

TEST_CASE("feeding a row anew changes nothing but the rotation") {
  // With both lists of factors alike the border means nothing.
  const std::vector<double> factors = {1.0, 1.1, 1.3, 1.4};
  const std::vector<Request> requests = requests_around_the_border();
  const Samples expected = run(longrope_config(600, factors), cpu_options(), requests);
  CHECK(expected.at({0, 0}).tokens.size() == 40);
  for (const PromptPolicy policy : kPolicies) {
    CAPTURE(static_cast<int>(policy));
    EngineOptions options = cpu_options();
    options.prompt_policy = policy;
    CHECK(run(longrope_config(kOriginal, factors), options, requests) == expected);
  }
}

TEST_CASE("longrope rows on both sides of the border and across it have the same bits always") {
  const std::vector<Request> requests = requests_around_the_border();
  const Samples expected = run(longrope_config(), cpu_options(), requests);
  for (const PromptPolicy policy : kPolicies) {
    for (const bool share : {true, false}) {
      CAPTURE(static_cast<int>(policy));
      CAPTURE(share);
      EngineOptions options = cpu_options();
      options.prompt_policy = policy;
      options.max_num_seqs = share ? 3 : 20;
      options.share_prefixes = share;
      options.schedule = share ? Schedule::kRefill : Schedule::kStatic;
      CHECK(run(longrope_config(), options, requests) == expected);
    }
  }
}

TEST_CASE("a row that is stopped where it is to be fed anew has no more tokens") {
  // Stopped at once, or when it waits or runs again.
  for (const int steps_later : {0, 1, 2, 3, 5}) {
    CAPTURE(steps_later);
    EngineOptions options = cpu_options();
    options.max_num_seqs = 2;
    Engine engine(longrope_config(), nullptr, options);
    for (uint64_t row = 0; row < 6; ++row) engine.add_request(make_request(row, 198, 60));
    std::map<uint64_t, int> tokens;
    std::map<uint64_t, int> steps_left;  // of rows at the border
    std::set<uint64_t> stopped;
    while (engine.has_work()) {
      for (const TokenOutput& output : engine.step()) {
        if (++tokens[output.row] == 3) steps_left[output.row] = steps_later;
      }
      for (auto& [row, steps] : steps_left) {
        if (row % 2 == 0 && steps-- == 0) {
          engine.stop(row);
          stopped.insert(row);
        }
      }
    }
    CHECK(stopped == std::set<uint64_t>{0, 2, 4});
    for (uint64_t row = 0; row < 6; ++row) {
      if (row % 2 == 1) {
        CHECK(tokens[row] == 60);
      } else {
        CHECK(tokens[row] < 3 + 2 * (steps_later + 1));
      }
    }
    if (steps_later == 0) CHECK(tokens[0] == 3);
    CHECK(engine.num_waiting() == 0);
  }
}

}  // namespace
}  // namespace eet::test
