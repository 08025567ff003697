#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lib/ops/ops.h"
#include "tests/kernels/device_test.h"

namespace eet::test {
namespace {

// Logits beside their targets, and what a device makes of them.
struct Scores {
  Scores(const Context& ctx, const std::vector<float>& logits, int64_t stride,
         const std::vector<int32_t>& targets, int64_t vocab_size) {
    const auto rows = static_cast<int64_t>(targets.size());
    const size_t target_bytes = targets.size() * sizeof(int32_t);
    const Tensor matrix(ctx, DType::kF32, {rows, stride}, logits);
    const Buffer ids = allocate(ctx, target_bytes, "targets");
    const Buffer values = allocate(ctx, target_bytes, "log-probabilities");
    const Buffer flags = allocate(ctx, target_bytes, "is_argmax");
    upload(ctx, ids.data(), targets.data(), target_bytes);
    ops::score(ctx, values.as<float>(), flags.as<int32_t>(), matrix, ids.as<int32_t>(), vocab_size);
    logprobs.resize(targets.size());
    is_argmax.resize(targets.size());
    download(ctx, logprobs.data(), values.data(), target_bytes);
    download(ctx, is_argmax.data(), flags.data(), target_bytes);
    synchronize(ctx);
  }

  std::vector<float> logprobs;
  std::vector<int32_t> is_argmax;
};

}  // namespace

TEST_CASE("score matches the CPU on odd vocabularies, padded rows and ties") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int64_t kRows = 37;
  for (const int64_t vocab_size : {1, 7, 97, 2048, 4097, 50257, 128256}) {
    for (const int64_t padding : {0, 3, 8}) {
      CAPTURE(vocab_size);
      CAPTURE(padding);
      const int64_t stride = vocab_size + padding;
      std::vector<float> logits =
          random_values(kRows * stride, static_cast<uint32_t>(vocab_size), 5.0F);
      std::vector<int32_t> targets;
      for (int64_t row = 0; row < kRows; ++row) {
        float* values = logits.data() + row * stride;
        std::fill(values + vocab_size, values + stride, std::nanf(""));
        const auto target = static_cast<int32_t>(row * 7919 % vocab_size);
        targets.push_back(target);
        if (row % 3 == 0) values[target] = 60.0F;
        if (row % 6 == 0) values[vocab_size - 1] = 60.0F;  // a later tie
        if (row % 5 == 4) values[0] = 61.0F;
      }
      const Scores expected(devices->cpu, logits, stride, targets, vocab_size);
      const Scores actual(devices->cuda, logits, stride, targets, vocab_size);
      CHECK(actual.is_argmax == expected.is_argmax);
      for (int64_t row = 0; row < kRows; ++row) {
        CHECK(std::abs(actual.logprobs[row] - expected.logprobs[row]) <= 2e-5F);
      }
    }
  }
}

TEST_CASE("score reports rows that are not finite, and their neighbours keep their bits") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int64_t kVocab = 5000;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> good = random_values(4 * kVocab, 9, 5.0F);
  std::vector<float> bad = good;
  bad[0 * kVocab + 4999] = kInfinity;
  bad[1 * kVocab + 77] = std::nanf("");
  std::fill_n(bad.begin() + 2 * kVocab, kVocab, -kInfinity);
  const std::vector<int32_t> targets(4, 1234);
  const Scores expected(devices->cuda, good, kVocab, targets, kVocab);
  const Scores actual(devices->cuda, bad, kVocab, targets, kVocab);
  for (int row = 0; row < 3; ++row) {
    CHECK(std::isnan(actual.logprobs[row]));
    CHECK(actual.is_argmax[row] == 0);
  }
  CHECK(actual.logprobs[3] == expected.logprobs[3]);
  const Scores alone(devices->cuda, {good.begin() + 3 * kVocab, good.end()}, kVocab, {1234},
                     kVocab);
  CHECK(alone.logprobs[0] == expected.logprobs[3]);
}

}  // namespace eet::test
