// A row on its way through a group of engines.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "lib/request.h"

namespace eet {

// What a sample has given out, for a second engine's tokens to be compared with.
struct SampleTrace {
  int64_t num_tokens = 0;
  uint64_t hash = 0;  // of the tokens and the bits of their log-probabilities
  bool ended = false;

  void add(const TokenOutput& output) {
    constexpr uint64_t kPrime = 0x9E3779B97F4A7C15ULL;
    ++num_tokens;
    const auto token = static_cast<uint32_t>(output.token_id);
    const auto logprob = std::bit_cast<uint32_t>(output.logprob);
    hash = (hash ^ (uint64_t{token} << 32 | logprob)) * kPrime;
    hash ^= hash >> 29;
  }
};

inline int32_t num_samples(const Request& request) {
  return request.score_from ? 1 : request.params.num_samples();
}

struct GroupRow {
  Request request;
  uint64_t prefix = 0;                  // key of its first page of tokens; 0: it has none
  uint64_t refused_by = 0;              // a bit for each engine that cannot run it
  int times_passed = 0;                 // later rows were sorted in before it
  std::vector<SampleTrace> given = {};  // of its samples, by engines that failed; empty: nothing
};

}  // namespace eet
