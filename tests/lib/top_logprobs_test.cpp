// The likeliest tokens, on the CPU: against double precision, and as a row's outputs have them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "tests/lib/small_engine.h"

namespace eet::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Top {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;
};

Top top_of(std::vector<float> logits, int64_t stride, int64_t vocab_size, int count) {
  ThreadPool pool(2);
  const Context ctx{.device = {}, .pool = &pool, .cuda = nullptr};
  const auto rows = static_cast<int64_t>(logits.size()) / stride;
  Top top;
  top.ids.resize(static_cast<size_t>(rows * count), -1);
  top.logprobs.resize(top.ids.size(), -1.0F);
  const TensorView view(logits.data(), DType::kF32, {rows, stride});
  ops::top_logprobs(ctx, top.ids.data(), top.logprobs.data(), count, view, vocab_size);
  return top;
}

TEST_CASE("the likeliest tokens are those of double precision, the lower id first on a tie") {
  constexpr int64_t kRows = 5;
  for (const int64_t vocab_size : {1, 2, 19, 97, 5003}) {
    const int64_t stride = vocab_size + 3;
    std::mt19937 random(static_cast<uint32_t>(vocab_size));
    std::uniform_int_distribution<int> eighths(-40, 40);  // so that many tie
    std::vector<float> logits(static_cast<size_t>(kRows * stride), std::nanf(""));
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t id = 0; id < vocab_size; ++id) {
        logits[row * stride + id] = static_cast<float>(eighths(random)) / 8;
      }
    }
    for (const int count : {1, 5, 20}) {
      if (count > vocab_size) continue;
      CAPTURE(vocab_size);
      CAPTURE(count);
      const Top top = top_of(logits, stride, vocab_size, count);
      for (int64_t row = 0; row < kRows; ++row) {
        const float* z = logits.data() + row * stride;
        std::vector<int32_t> ids(static_cast<size_t>(vocab_size));
        std::iota(ids.begin(), ids.end(), 0);
        std::stable_sort(ids.begin(), ids.end(), [&](int a, int b) { return z[a] > z[b]; });
        double sum = 0;
        for (int64_t id = 0; id < vocab_size; ++id) sum += std::exp(double{z[id]});
        for (int i = 0; i < count; ++i) {
          CHECK(top.ids[row * count + i] == ids[i]);
          CHECK(top.logprobs[row * count + i] ==
                doctest::Approx(z[ids[i]] - std::log(sum)).epsilon(1e-6));
        }
      }
    }
  }
}

TEST_CASE("zeros of either sign tie, banned tokens come last, and rows of NaN have no numbers") {
  const Top zeros = top_of({-0.0F, 0.0F, -1.0F, -kInfinity}, 4, 4, 4);
  CHECK(zeros.ids == std::vector<int32_t>{0, 1, 2, 3});
  CHECK(zeros.logprobs[3] == -kInfinity);
  for (const float bad : {kInfinity, std::nanf("")}) {
    const Top top = top_of({1.0F, bad, 0.0F}, 3, 3, 2);
    CHECK(std::ranges::all_of(top.logprobs, [](float value) { return std::isnan(value); }));
  }
  const Top none = top_of({-kInfinity, -kInfinity}, 2, 2, 1);
  CHECK(std::isnan(none.logprobs[0]));
}

TEST_CASE("each new token comes with as many of the likeliest as its row wants") {
  std::vector<Request> requests;
  for (uint64_t row = 0; row < 9; ++row) {
    requests.push_back(make_request(row, 3 + static_cast<int>(row), 4));
    Request& request = requests.back();
    request.params.temperature = row % 2 == 0 ? 0.0F : 1.5F;
    request.params.n = row == 7 ? 3 : 1;
    request.top_logprobs = static_cast<int32_t>(row) * 3 % 21;
  }
  Engine engine(small_config(), {}, cpu_options());
  for (const TokenOutput& output : run_engine(engine, requests)) {
    const Request& request = requests[output.row];
    REQUIRE(output.top.size() == static_cast<size_t>(request.top_logprobs));
    for (size_t i = 0; i < output.top.size(); ++i) {
      if (output.top[i].token_id == output.token_id) CHECK(output.top[i].logprob == output.logprob);
      if (i > 0) CHECK(output.top[i].logprob <= output.top[i - 1].logprob);
    }
    if (request.params.temperature == 0 && !output.top.empty()) {
      CHECK(output.top[0].token_id == output.token_id);
    }
  }
}

TEST_CASE("a row's likeliest tokens change nothing of it or of others") {
  const auto tokens_of = [](int32_t top_logprobs) {
    std::vector<Request> requests;
    for (uint64_t row = 0; row < 6; ++row) {
      requests.push_back(make_request(row, 5 + static_cast<int>(row), 6));
      if (row % 2 == 0) requests.back().top_logprobs = top_logprobs;
    }
    Engine engine(small_config(), {}, cpu_options());
    std::map<uint64_t, std::vector<std::pair<int32_t, float>>> tokens;
    for (const TokenOutput& output : run_engine(engine, requests)) {
      tokens[output.row].emplace_back(output.token_id, output.logprob);
    }
    return tokens;
  };
  CHECK(tokens_of(0) == tokens_of(20));
}

TEST_CASE("more likely tokens than 20, or fewer than none, are refused") {
  Engine engine(small_config(), {}, cpu_options());
  for (const int32_t bad : {-1, 21}) {
    Request request = make_request(0, 3, 1);
    request.top_logprobs = bad;
    const auto error = engine.check(request);
    REQUIRE(error);
    CHECK(error->message.starts_with("top_logprobs: expected an integer in [0, 20], got"));
  }
}

}  // namespace
}  // namespace eet::test
