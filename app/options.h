// The command line of `eet generate` as plain structs.
#pragma once

#include <CLI/App.hpp>
#include <set>
#include <string>
#include <vector>

#include "app/engines.h"
#include "app/job/input/input_format.h"
#include "app/job/input/request_reader.h"
#include "app/job/input/row_format.h"
#include "app/job/output/job_output.h"
#include "app/job/progress.h"
#include "app/job/text/model_chat.h"
#include "app/job/text/prompt_encoder.h"
#include "lib/engine.h"
#include "weights_tools/config_policy.h"

namespace eet {

struct GenerateOptions {
  std::string model;
  ConfigPolicy config_policy;
  std::string tokenizer;  // directory or file, empty: the model's
  std::vector<std::string> inputs;
  std::string output = "-";
  std::string output_format = "auto";
  std::string stats;  // path of the JSON report, empty: none
  std::string schedule = "refill";
  std::string prompt_policy = "packed";
  ProgressStyle progress = ProgressStyle::kAuto;
  bool quiet = false;
  bool dry_run = false;  // look the input over, and run nothing
  InputOptions input_options;
  LongPrompts long_prompts = LongPrompts::kError;
  bool fail_on_bad_row = false;
  bool keep_going = false;  // also when the first rows all fail alike
  bool echo = false;
  bool logprobs = false;
  int32_t top_logprobs = 0;
  ChatSettings chat;
  OutputFormat format;
  SafetyOptions safety;
  EngineOptions engine;
  DataParallelSize data_parallel_size;
  SamplingParams params;  // of rows that say nothing themselves
  std::vector<std::string> stop;
  std::string generation_config = "auto";  // "none", or where it is
  std::string config_file;                 // that flags were read from, empty: none
  std::set<std::string> set_by_flag;       // names of `params` that flags have set

  RowDefaults row_defaults() const {
    return {params, stop, logprobs, echo, chat.wraps_prompts, format.style, top_logprobs};
  }
};

// Declares the flags of jobs of every kind; parsing fills `options`, which must outlive `command`.
void add_job_options(CLI::App& command, GenerateOptions& options);

// Likewise, all flags of `eet generate`.
void add_generate_options(CLI::App& command, GenerateOptions& options);

}  // namespace eet
