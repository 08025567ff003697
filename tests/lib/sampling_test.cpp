#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/contract/philox.h"
#include "kernels/contract/sampling_rules.h"
#include "lib/core/thread_pool.h"
#include "lib/ops/ops.h"
#include "lib/sampling/sampling_params.h"
#include "tests/lib/sampling_checks.h"

namespace eet {
namespace {

using Words = std::array<uint32_t, 4>;

Words philox(uint64_t key, const Words& counter) {
  const PhiloxWords out = philox4x32_10(key, counter[0], counter[1], counter[2], counter[3]);
  return {out.word[0], out.word[1], out.word[2], out.word[3]};
}

const Context& cpu() {
  static ThreadPool pool(available_cores());
  static const Context context{.device = {}, .pool = &pool, .cuda = nullptr};
  return context;
}

ModelConfig config_of(int64_t vocab_size, std::vector<int32_t> eos_token_ids = {2}) {
  ModelConfig config;
  config.vocab_size = vocab_size;
  config.eos_token_ids = std::move(eos_token_ids);
  return config;
}

}  // namespace

TEST_CASE("Philox4x32-10 gives the known answers of Random123") {
  CHECK(philox(0, {0, 0, 0, 0}) == Words{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8});
  CHECK(philox(~uint64_t{0}, {~0U, ~0U, ~0U, ~0U}) ==
        Words{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD});
  CHECK(philox(0x299F31D0A4093822, {0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}) ==
        Words{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1});
}

TEST_CASE("uniform_open stays inside (0, 1)") {
  CHECK(uniform_open(0) == 0x1p-33F);
  CHECK(uniform_open(~0U) < 1.0F);
  CHECK(uniform_open(0x80000000U) == doctest::Approx(0.5));
}

TEST_CASE("the sampling rules' exp, log and Gumbel noise agree with the math library") {
  CHECK(sampling::exp_negative(0.0F) == 1.0F);
  for (float x = 0.0F; x < 86.0F; x += 0.001F) {
    const double expected = std::exp(-double{x});
    if (std::abs(sampling::exp_negative(x) - expected) > 2e-7 * expected) FAIL_CHECK("exp at ", x);
  }
  CHECK(sampling::exp_negative(std::numeric_limits<float>::infinity()) < 2e-38F);
  CHECK(sampling::log_positive(1.0F) == 0.0F);
  float largest = -100.0F;
  for (uint64_t word = 0; word < (uint64_t{1} << 32); word += 65521) {
    const double u = uniform_open(static_cast<uint32_t>(word));
    const float noise = sampling::gumbel(static_cast<uint32_t>(word));
    largest = std::max(largest, noise);
    if (std::abs(noise + std::log(-std::log1p(-u))) > 2e-6) FAIL_CHECK("noise of word ", word);
  }
  CHECK(largest < sampling::kMaxGumbel);
}

TEST_CASE("sampling parameters outside their ranges are refused by name") {
  const ModelConfig config = config_of(100);
  CHECK_FALSE(check(SamplingParams{}, config).has_value());
  const auto refused = [&](auto set, const char* name) {
    SamplingParams params;
    set(params);
    const std::optional<RowError> error = check(params, config);
    REQUIRE_MESSAGE(error.has_value(), name);
    CHECK(error->code == "invalid_parameter");
    CHECK_MESSAGE(error->message.find(name) == 0, error->message);
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  refused([](auto& p) { p.max_tokens = 0; }, "max_tokens");
  refused([](auto& p) { p.min_tokens = -1; }, "min_tokens");
  refused([](auto& p) { p.min_tokens = p.max_tokens + 1; }, "min_tokens");
  for (const float bad : {-0.1F, kNan, kInfinity}) {
    refused([=](auto& p) { p.temperature = bad; }, "temperature");
  }
  refused([](auto& p) { p.top_k = -2; }, "top_k");
  for (const float bad : {0.0F, 1.1F, -1.0F, kNan}) {
    refused([=](auto& p) { p.top_p = bad; }, "top_p");
  }
  for (const float bad : {-0.1F, 1.1F, kNan}) refused([=](auto& p) { p.min_p = bad; }, "min_p");
  for (const float bad : {0.0F, -1.0F, kNan, kInfinity}) {
    refused([=](auto& p) { p.repetition_penalty = bad; }, "repetition_penalty");
  }
  for (const float bad : {-2.1F, 2.1F, kNan}) {
    refused([=](auto& p) { p.presence_penalty = bad; }, "presence_penalty");
    refused([=](auto& p) { p.frequency_penalty = bad; }, "frequency_penalty");
  }
  refused([](auto& p) { p.stop_token_ids = {5, 100}; }, "stop_token_ids");
  refused([](auto& p) { p.stop_token_ids = {-1}; }, "stop_token_ids");
  // 32 ids fit without the EOS id, or with it among them.
  std::vector<int32_t> ids;
  for (int32_t id = 3; id < 3 + kMaxStopTokenIds; ++id) ids.push_back(id);
  refused([&](auto& p) { p.stop_token_ids = ids; }, "stop_token_ids");
  SamplingParams params;
  params.stop_token_ids = ids;
  params.ignore_eos = true;
  CHECK_FALSE(check(params, config).has_value());
  params.ignore_eos = false;
  params.stop_token_ids[0] = 2;
  CHECK_FALSE(check(params, config).has_value());
}

TEST_CASE("to_slot_params joins stop ids, clamps top_k and keys the generator") {
  const ModelConfig config = config_of(100, {2, 7});
  SamplingParams params;
  params.stop_token_ids = {9, 7};
  params.top_k = -1;
  SlotParams slot = to_slot_params(params, config, 12, 1000, 5);
  CHECK(slot.num_stop_token_ids == 3);
  CHECK(slot.stop_token_ids[0] == 2);
  CHECK(slot.stop_token_ids[1] == 7);
  CHECK(slot.stop_token_ids[2] == 9);
  CHECK(slot.top_k == 0);
  CHECK(slot.prompt_len == 12);
  CHECK(slot.seed == 1000);
  CHECK(slot.stream == 6);

  params.seed = 1000;
  params.ignore_eos = true;
  params.top_k = 100;
  params.temperature = 1e-6F;
  slot = to_slot_params(params, config, 12, 1, 5);
  CHECK(slot.num_stop_token_ids == 2);
  CHECK(slot.top_k == 0);
  CHECK(slot.temperature == 0.0F);
  CHECK(slot.seed == 1000);
  CHECK(slot.stream == 0);
}

TEST_CASE("fill_normal draws normal deviates that do not depend on the threads") {
  constexpr int64_t kCount = 400003;
  std::vector<float> values(kCount);
  ops::fill_normal(cpu(), TensorView(values.data(), DType::kF32, {kCount}), 1.0F, 3.0F, 17);
  double sum = 0;
  double squares = 0;
  for (const float value : values) {
    sum += value;
    squares += (value - 1.0) * (value - 1.0);
  }
  CHECK(std::abs(sum / kCount - 1.0) < 4 * 3.0 / std::sqrt(kCount));
  CHECK(std::abs(squares / kCount - 9.0) < 4 * 9.0 * std::sqrt(2.0 / kCount));
  ThreadPool one(1);
  const Context single{.device = {}, .pool = &one, .cuda = nullptr};
  std::vector<float> again(kCount);
  ops::fill_normal(single, TensorView(again.data(), DType::kF32, {kCount}), 1.0F, 3.0F, 17);
  CHECK(again == values);
}

TEST_CASE("prepare_decode feeds prompt tokens, sampled tokens, and nothing to ended rows") {
  std::vector<SlotParams> params(4, SlotParams{.prompt_len = 3});
  std::vector<SlotState> states = {
      {.position = 2},
      {.next_token = 44, .position = 3, .num_generated = 1},
      {.next_token = 55, .position = 6, .num_generated = 4, .status = SlotStatus::kStop},
      {.next_token = 66, .position = 9, .num_generated = 7}};
  const std::vector<int32_t> prompts = {10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42};
  const SlotTables tables{.params = params.data(),
                          .states = states.data(),
                          .prompts = prompts.data(),
                          .prompts_stride = 3};
  const std::vector<int32_t> slots = {3, 2, 1, 0};
  std::vector<int32_t> token_ids(4), positions(4), context_lens(4);
  ops::prepare_decode(cpu(), token_ids.data(), positions.data(), context_lens.data(), slots.data(),
                      4, tables);
  CHECK(token_ids == std::vector<int32_t>{66, 0, 44, 12});
  CHECK(positions == std::vector<int32_t>{9, -1, 3, 2});
  CHECK(context_lens == std::vector<int32_t>{10, 0, 4, 3});
}

TEST_CASE("count_prompt_tokens marks the tokens of each row's prompt and no pads") {
  std::vector<uint16_t> counts(2 * 5, 0);
  counts[1] = 3;
  const SlotTables tables{.token_counts = counts.data(), .vocab_size = 5};
  const std::vector<int32_t> token_ids = {0, 1, 1, 4, 2};
  const std::vector<int32_t> positions = {-1, 0, 1, 0, 1};
  const std::vector<int32_t> slots = {0, 0, 0, 1, 1};
  ops::count_prompt_tokens(cpu(), tables, token_ids.data(), positions.data(), slots.data(), 5);
  CHECK(counts == std::vector<uint16_t>{0, kInPrompt | 3, 0, 0, 0, 0, 0, kInPrompt, 0, kInPrompt});
}

TEST_CASE("draws follow the probabilities under temperature, top_k, top_p and min_p") {
  test::check_draws_follow_probabilities(cpu());
}
TEST_CASE("draws over an odd vocabulary of 50257 follow the probabilities") {
  test::check_draws_over_a_large_odd_vocabulary(cpu(), 4096);
}
TEST_CASE("a row's draws are independent of each other and of its neighbours'") {
  test::check_draws_are_independent(cpu());
}
TEST_CASE("sampling picks what a sorting fp64 reference picks") {
  test::check_against_sorting_reference(cpu());
}
TEST_CASE("filters apply in order: top_k, top_p of the rest, min_p") {
  test::check_filter_order(cpu());
}
TEST_CASE("temperature 0 is argmax, the lowest id on a tie") {
  test::check_greedy_is_argmax(cpu());
}
TEST_CASE("penalties give the hand-computed tokens") {
  test::check_penalties(cpu());
}
TEST_CASE("min_tokens bans stop ids, and rows end by stop or length") {
  test::check_minimum_and_stops(cpu());
}
TEST_CASE("NaN and infinite logits end the row and name it") {
  test::check_non_finite_logits(cpu());
}
TEST_CASE("rows that replay their prompt or have ended give no token") {
  test::check_replayed_and_ended_rows(cpu());
}
TEST_CASE("logits past the vocabulary are never read as tokens") {
  test::check_poisoned_padding(cpu());
}
TEST_CASE("a row's token does not depend on its batch") {
  test::check_batch_position(cpu());
}
TEST_CASE("log-probabilities are within 1e-5 of fp64") {
  test::check_logprobs(cpu());
}

}  // namespace eet
