// What a benchmark runs: tests, and the requests that they are made of.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "app/bench/lengths_file.h"
#include "lib/engine.h"

namespace eet {

// One row of the report.
struct BenchTest {
  enum class Kind {
    kPrefill,   // prompt tokens/s over the whole run; one token is generated for each prompt
    kDecode,    // generated tokens/s over the decode steps; prompts only fill the KV cache
    kRequests,  // generated tokens/s over the whole run
  };
  Kind kind = Kind::kRequests;
  std::string name;  // "pp512", "tg128 @ d512", "pp512+tg128", "lengths.csv"
  int batch = 0;     // requests, which start together up to the engine's rows; 0: those of a file
  int prompt_tokens = 0;  // of the longest row; 0 where `requests` come from a file
  int new_tokens = 0;
  int depth = 0;
  std::vector<RequestLengths> requests;

  // Positions that the longest request takes: its last token is never fed.
  int64_t max_positions() const;
  // What the rate counts: prompt tokens or generated ones.
  int64_t counted_tokens() const;
};

// Which tests to run: every batch with every prompt, with every (generated, depth), and with every
// pair of both; then the requests of `lengths_file`.
struct TestPlan {
  std::vector<int> prompts;    // at least 1 token each
  std::vector<int> generated;  // likewise
  std::vector<int> depths = {0};
  std::vector<std::pair<int, int>> pairs;  // prompt and generated tokens of whole requests
  std::vector<int> batches = {1};
  double pad_fraction = 0;  // of what left-padding a batch's prompts would compute
  std::string lengths_file;
  LengthLimits length_limits;
};

std::vector<BenchTest> plan_tests(const TestPlan& plan);

// Prompt lengths of a batch, spread evenly below `longest` so that their mean is (1 - pad_fraction)
// of it, in a random order that is always the same.
std::vector<int> ragged_lengths(int batch, int longest, double pad_fraction);

// What all requests of a benchmark have in common.
struct RequestOptions {
  int shared_prefix = 0;  // the first tokens of every prompt, the same in all of them
  SamplingParams params;  // max_tokens and ignore_eos are set for each request
};

// Requests with random token ids, drawn from `seed`; rows are numbered from `first_row`.
std::vector<Request> make_requests(const BenchTest& test, const RequestOptions& options,
                                   int64_t vocab_size, uint64_t seed, uint64_t first_row);

}  // namespace eet
