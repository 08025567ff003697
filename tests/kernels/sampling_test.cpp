#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "tests/kernels/device_test.h"
#include "tests/lib/sampling_checks.h"
#include "tests/lib/sampling_rows.h"

namespace eet::test {
namespace {

void on_gpu(void (*check)(const Context&)) {
  if (Devices* devices = gpu_or_skip()) check(devices->cuda);
}

}  // namespace

TEST_CASE("both devices choose the same tokens, to the last one") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  int64_t num_tokens = 0;
  int64_t num_equal = 0;
  for (const int64_t vocab_size : {7, 50, 2048, 4097, 32000, 50257, 128256, 262145}) {
    const int num_rows = vocab_size > 100000 ? 80 : 320;
    const int64_t stride = vocab_size + vocab_size % 3;  // aligned rows and others
    const std::vector<float> logits =
        random_logits(num_rows * stride, static_cast<uint64_t>(vocab_size), 3.0F);
    const std::vector<SlotParams> params = varied_params(num_rows, vocab_size);
    SamplingRows on_cpu(devices->cpu, params, logits, vocab_size);
    SamplingRows on_cuda(devices->cuda, params, logits, vocab_size);
    for (int step = 0; step < 3; ++step) {
      on_cpu.step();
      on_cuda.step();
      const std::vector<int32_t> expected = on_cpu.tokens();
      const std::vector<int32_t> tokens = on_cuda.tokens();
      for (int row = 0; row < num_rows; ++row) {
        ++num_tokens;
        num_equal += static_cast<int>(tokens[row] == expected[row]);
      }
    }
    CHECK(on_cuda.counts() == on_cpu.counts());
  }
  std::printf("sampling: %lld of %lld tokens equal on CPU and CUDA\n",
              static_cast<long long>(num_equal), static_cast<long long>(num_tokens));
  CHECK(num_equal == num_tokens);
}

TEST_CASE("sampling 256 rows of 128256 logits takes (printed) microseconds") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int kRows = 256;
  constexpr int64_t kVocab = 128256;
  constexpr int kCalls = 20;
  const std::vector<float> logits = random_logits(kRows * kVocab, 1, 2.5F);
  const std::pair<const char*, SlotParams> kinds[] = {
      {"greedy", {}},
      {"greedy, penalties", {.repetition_penalty = 1.1F}},
      {"temperature", {.temperature = 1.0F}},
      {"top_k 50", {.temperature = 1.0F, .top_k = 50}},
      {"top_p 0.9", {.temperature = 1.0F, .top_p = 0.9F}},
      {"top_k 50, top_p 0.9", {.temperature = 1.0F, .top_p = 0.9F, .top_k = 50}}};
  for (const auto& [name, params] : kinds) {
    SamplingRows rows(devices->cuda, std::vector<SlotParams>(kRows, params), logits, kVocab);
    rows.step();
    CHECK(rows.tokens()[0] >= 0);
    const auto start = std::chrono::steady_clock::now();
    for (int call = 0; call < kCalls; ++call) rows.enqueue(kRows);
    synchronize(devices->cuda);
    const std::chrono::duration<double, std::micro> elapsed =
        std::chrono::steady_clock::now() - start;
    std::printf("sampling 256 x 128256, %s: %.0f us\n", name, elapsed.count() / kCalls);
  }
}

TEST_CASE("draws follow the probabilities under temperature, top_k, top_p and min_p on CUDA") {
  on_gpu(check_draws_follow_probabilities);
}
TEST_CASE("draws over an odd vocabulary of 50257 follow the probabilities on CUDA") {
  on_gpu([](const Context& ctx) { check_draws_over_a_large_odd_vocabulary(ctx, 1 << 20); });
}
TEST_CASE("a row's draws are independent of each other and of its neighbours' on CUDA") {
  on_gpu(check_draws_are_independent);
}
TEST_CASE("sampling picks what a sorting fp64 reference picks on CUDA") {
  on_gpu(check_against_sorting_reference);
}
TEST_CASE("filters apply in order on CUDA: top_k, top_p of the rest, min_p") {
  on_gpu(check_filter_order);
}
TEST_CASE("temperature 0 is argmax on CUDA, the lowest id on a tie") {
  on_gpu(check_greedy_is_argmax);
}
TEST_CASE("penalties give the hand-computed tokens on CUDA") {
  on_gpu(check_penalties);
}
TEST_CASE("min_tokens bans stop ids, and rows end by stop or length on CUDA") {
  on_gpu(check_minimum_and_stops);
}
TEST_CASE("NaN and infinite logits end the row and name it on CUDA") {
  on_gpu(check_non_finite_logits);
}
TEST_CASE("rows that replay their prompt or have ended give no token on CUDA") {
  on_gpu(check_replayed_and_ended_rows);
}
TEST_CASE("logits past the vocabulary are never read as tokens on CUDA") {
  on_gpu(check_poisoned_padding);
}
TEST_CASE("a row's token does not depend on its batch on CUDA") {
  on_gpu(check_batch_position);
}
TEST_CASE("log-probabilities are within 1e-5 of fp64 on CUDA") {
  on_gpu(check_logprobs);
}

}  // namespace eet::test
