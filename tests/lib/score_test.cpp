// Scoring given tokens on the CPU with random weights. What the scores should be is tested against
// the reference implementation in tests/golden.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>

#include "tests/lib/generated_samples.h"

namespace eet::test {
namespace {

std::map<uint64_t, Sample> score(Engine& engine, const std::vector<Request>& requests) {
  std::map<uint64_t, Sample> rows;
  for (const auto& entry : generate(engine, requests)) {
    CHECK(entry.first.second == 0);
    rows[entry.first.first] = entry.second;
  }
  return rows;
}

Request score_request(uint64_t row, int size, int score_from) {
  Request request = make_request(row, size, 1);
  request.score_from = score_from;
  return request;
}

// Of one token to over two pages, scored as a whole or at the end.
std::vector<Request> score_requests() {
  std::vector<Request> requests;
  for (uint64_t row = 0; row < 17; ++row) {
    const int size = 2 + static_cast<int>(row * row * 11 % 300);
    requests.push_back(score_request(row, size, row % 3 == 0 ? 1 : 1 + size / 2));
  }
  return requests;
}

}  // namespace

TEST_CASE("scores have the same bits in any batch, order, pass size and prompt policy") {
  const std::vector<Request> requests = score_requests();
  EngineOptions options = cpu_options();
  options.max_num_seqs = 1;
  Engine alone_engine(small_config(), {}, options);
  const std::map<uint64_t, Sample> alone = score(alone_engine, requests);
  REQUIRE(alone.size() == requests.size());
  for (const Request& request : requests) {
    const Sample& scores = alone.at(request.row);
    CHECK(std::equal(scores.tokens.begin(), scores.tokens.end(),
                     request.prompt.begin() + *request.score_from, request.prompt.end()));
    CHECK(scores.finish == FinishReason::kStop);
  }
  std::vector<Request> shuffled = requests;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(5));
  for (const PromptPolicy policy : {PromptPolicy::kPacked, PromptPolicy::kPadded}) {
    for (const Schedule schedule : {Schedule::kRefill, Schedule::kStatic}) {
      for (const int budget : {64, 200, 4096}) {
        CAPTURE(static_cast<int>(policy));
        CAPTURE(budget);
        options.prompt_policy = policy;
        options.schedule = schedule;
        options.max_num_seqs = budget == 200 ? 5 : 32;
        options.max_num_batched_tokens = budget;
        Engine engine(small_config(), {}, options);
        CHECK(score(engine, shuffled) == alone);
      }
    }
  }
}

TEST_CASE("what greedy decoding chose is scored with the same log-probabilities, as the argmax") {
  Engine engine(small_config(), {}, cpu_options());
  Request greedy = make_request(3, 140, 20);
  greedy.params.temperature = 0.0F;
  Request scored = greedy;
  std::vector<float> logprobs;
  for (const TokenOutput& output : run_engine(engine, {greedy})) {
    scored.prompt.push_back(output.token_id);
    logprobs.push_back(output.logprob);
  }
  scored.score_from = 140;
  const Sample scores = score(engine, {scored}).at(3);
  REQUIRE(scores.logprobs.size() == logprobs.size());
  for (size_t i = 0; i < logprobs.size(); ++i) {
    CHECK(scores.logprobs[i] == doctest::Approx(logprobs[i]).epsilon(1e-5));
    CHECK(scores.is_argmax[i]);
  }
  scored.prompt[150] = (scored.prompt[150] + 1) % 97;
  const Sample other = score(engine, {scored}).at(3);
  CHECK_FALSE(other.is_argmax[10]);
  CHECK(other.logprobs[10] < scores.logprobs[10]);
  CHECK(other.logprobs[9] == scores.logprobs[9]);
}

TEST_CASE("scored and generating rows run beside each other") {
  std::vector<Request> requests = score_requests();
  for (uint64_t row = 100; row < 110; ++row) {
    requests.push_back(make_request(row, 1 + static_cast<int>(row % 7) * 30, 9));
  }
  std::map<uint64_t, std::vector<float>> alone;
  {
    EngineOptions options = cpu_options();
    options.max_num_seqs = 1;
    Engine engine(small_config(), {}, options);
    for (const auto& output : run_engine(engine, requests)) {
      alone[output.row].push_back(output.logprob);
    }
  }
  std::shuffle(requests.begin(), requests.end(), std::mt19937(8));
  Engine engine(small_config(), {}, cpu_options());
  std::map<uint64_t, std::vector<float>> together;
  for (const auto& output : run_engine(engine, requests)) {
    together[output.row].push_back(output.logprob);
  }
  CHECK(together == alone);
}

TEST_CASE("the LM head of a scored row runs over its scored tokens, and its pages come back") {
  Engine engine(small_config(), {}, cpu_options());
  score(engine, {score_request(0, 300, 290), score_request(1, 2, 1)});
  CHECK(engine.stats().scored_tokens == 11);
  CHECK(engine.stats().prompt_tokens == 300);  // the last one of each has nothing to predict
  CHECK(engine.stats().output_tokens == 0);
  CHECK(engine.stats().decode_steps == 0);
  // Twice as many rows as slots, of all the memory there is.
  std::vector<Request> requests;
  for (uint64_t row = 0; row < 64; ++row) requests.push_back(score_request(row, 600, 599));
  CHECK(score(engine, requests).size() == 64);
}

TEST_CASE("a scored row may be one token longer than a prompt, and needs a token to start from") {
  EngineOptions options = cpu_options();
  options.max_model_len = 100;
  Engine engine(small_config(), {}, options);
  CHECK_FALSE(engine.check(score_request(0, 101, 1)));
  CHECK(score(engine, {score_request(0, 101, 1)}).at(0).tokens.size() == 100);
  CHECK(engine.check(score_request(0, 102, 1))->code == "prompt_too_long");
  CHECK(engine.check(score_request(0, 5, 0))->code == "nothing_to_score");
  CHECK(engine.check(score_request(0, 5, 5))->code == "nothing_to_score");
  CHECK(engine.check(score_request(0, 1, 1))->code == "nothing_to_score");
  Request request = score_request(0, 5, 1);
  request.prompt.back() = 97;
  CHECK(engine.check(request)->code == "token_out_of_range");
  options.prompt_policy = PromptPolicy::kSerial;
  Engine serial(small_config(), {}, options);
  CHECK(serial.check(score_request(0, 5, 1))->code == "unsupported_parameter");
}

TEST_CASE("score matches double precision, and says what is not finite") {
  const float infinity = std::numeric_limits<float>::infinity();
  constexpr int kVocab = 3001;
  constexpr int kStride = 3008;
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0F, 4.0F);
  std::vector<float> logits(6 * kStride, infinity);  // past the vocabulary too
  for (int row = 0; row < 6; ++row) {
    for (int id = 0; id < kVocab; ++id) logits[row * kStride + id] = normal(random);
  }
  logits[0 * kStride + 17] = 50.0F;
  logits[0 * kStride + 2000] = 50.0F;
  logits[1 * kStride + 17] = 50.0F;
  logits[1 * kStride + 3] = 50.0F;
  logits[2 * kStride + 5] = -infinity;  // a token that cannot be
  logits[3 * kStride + 2999] = std::nanf("");
  logits[4 * kStride + 0] = infinity;
  std::fill_n(logits.begin() + 5 * kStride, kVocab, -infinity);
  const std::vector<int32_t> targets(6, 17);

  ThreadPool pool(2);
  const Context ctx{.device = {}, .pool = &pool};
  std::vector<float> logprobs(6, -1.0F);
  std::vector<int32_t> is_argmax(6, -1);
  ops::score(ctx, logprobs.data(), is_argmax.data(),
             TensorView(logits.data(), DType::kF32, {6, kStride}), targets.data(), kVocab);
  for (int row = 0; row < 3; ++row) {
    const float* z = logits.data() + row * kStride;
    double sum = 0;
    for (int id = 0; id < kVocab; ++id) sum += std::exp(double{z[id]} - z[17]);
    CHECK(logprobs[row] == doctest::Approx(-std::log(sum)).epsilon(1e-6));
  }
  CHECK(is_argmax == std::vector<int32_t>{1, 0, 0, 0, 0, 0});  // the lowest id wins a tie
  for (int row = 3; row < 6; ++row) CHECK(std::isnan(logprobs[row]));
}

}  // namespace eet::test
