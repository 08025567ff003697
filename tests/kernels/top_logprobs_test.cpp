#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lib/ops/ops.h"
#include "tests/kernels/device_test.h"

namespace eet::test {
namespace {

// The likeliest tokens of logits, as a device finds them.
struct Top {
  Top(const Context& ctx, const std::vector<float>& logits, int64_t stride, int64_t vocab_size,
      int count) {
    const auto rows = static_cast<int64_t>(logits.size()) / stride;
    ids.resize(static_cast<size_t>(rows * count));
    logprobs.resize(ids.size());
    const size_t bytes = ids.size() * sizeof(int32_t);
    const Tensor matrix(ctx, DType::kF32, {rows, stride}, logits);
    const Buffer found = allocate(ctx, bytes, "ids");
    const Buffer values = allocate(ctx, bytes, "log-probabilities");
    ops::top_logprobs(ctx, found.as<int32_t>(), values.as<float>(), count, matrix, vocab_size);
    download(ctx, ids.data(), found.data(), bytes);
    download(ctx, logprobs.data(), values.data(), bytes);
    synchronize(ctx);
  }

  std::vector<int32_t> ids;
  std::vector<float> logprobs;
};

}  // namespace

TEST_CASE("the likeliest tokens match the CPU on odd vocabularies, padded rows and ties") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int64_t kRows = 11;
  for (const int64_t vocab_size : {1, 7, 97, 512, 513, 4097, 50257, 151936}) {
    for (const int64_t padding : {0, 3}) {
      for (const int count : {1, 5, 20}) {
        if (count > vocab_size) continue;
        CAPTURE(vocab_size);
        CAPTURE(padding);
        CAPTURE(count);
        const int64_t stride = vocab_size + padding;
        std::vector<float> logits =
            random_values(kRows * stride, static_cast<uint32_t>(vocab_size), 5.0F);
        for (int64_t row = 0; row < kRows; ++row) {
          float* values = logits.data() + row * stride;
          // Rows of few different logits, and of zeros of both signs.
          if (row % 3 == 0) {
            std::for_each(values, values + vocab_size, [](float& z) { z = std::round(z); });
          }
          if (row % 3 == 1) values[row % vocab_size] = -0.0F;
          if (row == 5) {
            std::fill(values, values + vocab_size / 2, -std::numeric_limits<float>::infinity());
          }
          std::fill(values + vocab_size, values + stride, std::nanf(""));
        }
        const Top expected(devices->cpu, logits, stride, vocab_size, count);
        const Top actual(devices->cuda, logits, stride, vocab_size, count);
        CHECK(actual.ids == expected.ids);
        for (size_t i = 0; i < actual.ids.size(); ++i) {
          const bool same = actual.logprobs[i] == expected.logprobs[i];  // of infinities
          CHECK((same || std::abs(actual.logprobs[i] - expected.logprobs[i]) <= 2e-5F));
        }
      }
    }
  }
}

TEST_CASE(
    "rows that are not finite have no likeliest tokens, and their neighbours keep their bits") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int64_t kVocab = 5000;
  constexpr int kCount = 3;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> good = random_values(4 * kVocab, 9, 5.0F);
  std::vector<float> bad = good;
  bad[0 * kVocab + 4999] = kInfinity;
  bad[1 * kVocab + 77] = std::nanf("");
  std::fill_n(bad.begin() + 2 * kVocab, kVocab, -kInfinity);
  const Top expected(devices->cuda, good, kVocab, kVocab, kCount);
  const Top actual(devices->cuda, bad, kVocab, kVocab, kCount);
  for (int i = 0; i < 3 * kCount; ++i) CHECK(std::isnan(actual.logprobs[i]));
  const Top alone(devices->cuda, {good.begin() + 3 * kVocab, good.end()}, kVocab, kVocab, kCount);
  for (int i = 0; i < kCount; ++i) {
    CHECK(actual.ids[3 * kCount + i] == expected.ids[3 * kCount + i]);
    CHECK(actual.logprobs[3 * kCount + i] == expected.logprobs[3 * kCount + i]);
    CHECK(alone.logprobs[i] == expected.logprobs[3 * kCount + i]);
  }
}

}  // namespace eet::test
