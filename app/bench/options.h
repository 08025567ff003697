// The command line of `eet bench` as a plain struct.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "app/bench/context_sweep.h"
#include "app/bench/measure.h"
#include "app/bench/result_writer.h"
#include "app/bench/workload.h"
#include "app/engines.h"
#include "lib/engine.h"
#include "weights_tools/config_policy.h"

namespace eet {

struct BenchOptions {
  std::vector<std::string> models;
  std::vector<std::string> configs;
  bool random_weights = false;
  ConfigPolicy config_policy;
  TestPlan tests;
  RequestOptions requests;
  SweepPlan sweep;
  bool sweep_context = false;
  Repeats repeats;
  ResultFormat format = ResultFormat::kMarkdown;
  bool explain = false;
  EngineOptions engine;
  DataParallelSize data_parallel_size = 1;
  std::string schedule = "refill";
  std::string prompt_policy = "packed";
};

// Declares the flags; parsing fills `options`, which must outlive `command`.
void add_bench_options(CLI::App& command, BenchOptions& options);

// Once parsed: what the flags that were not given mean beside those that were. Throws
// CLI::ValidationError for flags that do not go together.
void complete_bench_options(const CLI::App& command, BenchOptions& options);

}  // namespace eet
