// A test's measurement as a row of results.
#pragma once

#include <cstdint>
#include <string>

#include "app/bench/limit.h"
#include "app/bench/measure.h"
#include "app/bench/result_writer.h"
#include "app/bench/workload.h"
#include "lib/ceilings.h"

namespace eet {

// What is the same for all tests of a model.
struct BenchSetting {
  std::string model;  // name
  std::string path;
  int64_t parameters = 0;
  int64_t model_bytes = 0;  // of the parameters in `dtype`
  std::string backend;      // "CUDA", "CPU"
  std::string device;
  size_t num_devices = 1;
  std::string dtype;
  std::string schedule;
  std::string prompt_policy;
  bool replays_prompts = false;  // the prompt policy feeds prompt tokens in decode steps
  int max_num_seqs = 0;
  int64_t max_model_len = 0;
  double pad_fraction = 0;
  int shared_prefix = 0;
  ModelCosts costs;
  Ceilings ceilings;  // of all devices together
  double load_seconds = 0;
};

// Milliseconds of a decode step, or of a prompt pass where nothing decodes. Of any pass where steps
// feed prompts.
double ms_per_step(const Run& run, bool replays_prompts);

ResultRow report(const BenchSetting& setting, const BenchTest& test, const Measurement& measurement,
                 int64_t peak_device_bytes);

}  // namespace eet
