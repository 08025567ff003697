// What an engine gives for requests, by sample.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "tests/lib/small_engine.h"

namespace eet::test {

struct Sample {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  std::vector<int32_t> top;
  std::vector<bool> is_argmax;
  FinishReason finish = FinishReason::kNone;
  bool operator==(const Sample& other) const {
    return tokens == other.tokens && top == other.top && is_argmax == other.is_argmax &&
           finish == other.finish && same_bits(logprobs, other.logprobs);
  }
};

using Samples = std::map<std::pair<uint64_t, int32_t>, Sample>;  // by row and sample

inline Samples generate(Engine& engine, const std::vector<Request>& requests) {
  Samples samples;
  for (const TokenOutput& output : run_engine(engine, requests)) {
    Sample& sample = samples[{output.row, output.sample}];
    CHECK(sample.finish == FinishReason::kNone);
    sample.tokens.push_back(output.token_id);
    sample.logprobs.push_back(output.logprob);
    for (const TokenLogprob& top : output.top) sample.top.push_back(top.token_id);
    sample.is_argmax.push_back(output.is_argmax);
    sample.finish = output.finish;
  }
  return samples;
}

}  // namespace eet::test
