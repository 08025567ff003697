// The command line of `eet generate` as plain structs.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "app/job/completion_writer.h"
#include "app/job/input_format.h"
#include "app/job/progress.h"
#include "app/job/prompt_encoder.h"
#include "app/job/request_reader.h"
#include "lib/engine.h"

namespace eet {

struct GenerateOptions {
  std::string model;
  std::string tokenizer;  // directory or file, empty: the model's
  std::string input;
  std::string output = "-";
  std::string stats;  // path of the JSON report, empty: none
  std::string schedule = "refill";
  std::string prompt_policy = "packed";
  ProgressStyle progress = ProgressStyle::kAuto;
  bool quiet = false;
  InputOptions input_options;
  LongPrompts long_prompts = LongPrompts::kError;
  bool fail_on_bad_row = false;
  bool echo = false;
  OutputFormat format;
  EngineOptions engine;
  SamplingParams params;  // of rows that say nothing themselves
  std::vector<std::string> stop;
};

// Declares the flags; parsing fills `options`, which must outlive `command`.
void add_generate_options(CLI::App& command, GenerateOptions& options);

}  // namespace eet
