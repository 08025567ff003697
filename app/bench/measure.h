// Timed runs of a test.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "app/bench/limit.h"
#include "app/bench/workload.h"
#include "lib/generator.h"

namespace eet {

// One run of a test's requests as a job runs them.
struct Run {
  double wall_seconds = 0;         // from the first request to the last token
  double prefill_seconds = 0;      // the engine's time in prompt passes
  double decode_seconds = 0;       // and in decode steps
  double decode_idle_seconds = 0;  // in which the device waited for the host
  Work work;
};

// The timed runs of one test.
struct Measurement {
  std::vector<Run> runs;                 // by the seconds that count, ascending
  std::vector<double> seconds_in_order;  // that count, of the runs as they came
  std::chrono::system_clock::time_point began;

  const Run& median() const { return runs[runs.size() / 2]; }
};

// The seconds that a test of this kind counts.
double counted_seconds(BenchTest::Kind kind, const Run& run);

// The part of a run's work that falls into those seconds.
Work counted_work(BenchTest::Kind kind, const Run& run);

// How often a test runs.
struct Repeats {
  int timed = 5;
  bool warm_up = true;  // by one run more
};

// Runs a test, each time with new random prompts of ids below `vocab_size`. Throws Error when the
// engine refuses a request.
Measurement measure(Generator& engine, int64_t vocab_size, const BenchTest& test,
                    const RequestOptions& options, const Repeats& repeats);

}  // namespace eet
