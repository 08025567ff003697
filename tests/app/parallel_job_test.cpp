// A job on several engines: its output, also when engines fail, and how it goes on.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "lib/parallel/engine_group.h"
#include "tests/app/byte_tokenizer.h"
#include "tests/app/simulated_job.h"
#include "tests/app/temp_directory.h"
#include "tests/lib/parallel/simulated_engine.h"

namespace eet {
namespace {

using test::run_simulated_job;
using test::SimulatedEngine;
using test::SimulatedJobResult;
using test::SimulatedOptions;

std::string rows_text(int count) {
  std::string text;
  for (int row = 0; row < count; ++row) {
    text += concat(R"({"prompt": ")", std::string(static_cast<size_t>(1 + row % 200), 'a'),
                   R"(", "max_tokens": )", 1 + row * row % 31, row % 9 == 4 ? R"(, "n": 2)" : "",
                   "}\n");
  }
  return text;
}

std::vector<SimulatedOptions> engines_that_fail_at(const std::vector<int64_t>& steps) {
  std::vector<SimulatedOptions> engines;
  engines.reserve(steps.size());
  for (const int64_t step : steps) {
    engines.push_back({.name = concat("sim:", engines.size()), .fails_at_step = step});
  }
  return engines;
}

SimulatedJobResult run(const std::string& input, const std::string& output,
                       const std::vector<SimulatedOptions>& engines, bool resume = false) {
  const ByteTokenizer tokenizer(/*adds_bos=*/false);
  EngineGroup group([&](size_t i) { return std::make_unique<SimulatedEngine>(engines[i]); },
                    {.num_engines = engines.size()});
  return run_simulated_job(input, output, group, &tokenizer, {}, resume);
}

TEST_CASE("the output is that of one engine, whatever fails, while one is left") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", rows_text(400));
  const ByteTokenizer tokenizer(/*adds_bos=*/false);
  SimulatedEngine alone({});
  CHECK(run_simulated_job(input, dir.file("one"), alone, &tokenizer, {}).failure.empty());
  const std::string expected = read_text(dir.file("one"));
  REQUIRE(expected.size() > 10'000);
  for (const std::vector<int64_t>& steps :
       {std::vector<int64_t>{-1, -1}, {0, -1}, {20, -1}, {3, 9, 27, -1}, {-1, 40, -1, 41}}) {
    const SimulatedJobResult result = run(input, dir.file("many"), engines_that_fail_at(steps));
    CHECK(result.failure.empty());
    CHECK(result.counts.failed_rows() == 0);
    CHECK(read_text(dir.file("many")) == expected);
  }
}

TEST_CASE("when the last engine fails the journal is safe, and the job goes on from there") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", rows_text(400));
  const ByteTokenizer tokenizer(/*adds_bos=*/false);
  SimulatedEngine alone({});
  run_simulated_job(input, dir.file("one"), alone, &tokenizer, {});

  const SimulatedJobResult failed =
      run(input, dir.file("many"), engines_that_fail_at({150, 170, 190}));
  CHECK(failed.failure.find("the bus is gone") != std::string::npos);
  CHECK(failed.failure.find("--resume") != std::string::npos);
  const SimulatedJobResult resumed =
      run(input, dir.file("many"), engines_that_fail_at({-1, -1}), /*resume=*/true);
  CHECK(resumed.failure.empty());
  CHECK(resumed.counts.served_rows > 20);
  CHECK(resumed.counts.rows == 400);
  CHECK(read_text(dir.file("many")) == read_text(dir.file("one")));
}

}  // namespace
}  // namespace eet
