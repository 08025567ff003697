// What a job did and what it cost: the summary on stderr and --stats.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "app/job/output/completion.h"
#include "app/job/output/row_outcome.h"
#include "app/job/quantile_sketch.h"
#include "app/job/restart.h"
#include "lib/device.h"
#include "lib/generator.h"

namespace eet {

// Counted row by row as completions come.
struct JobCounts {
  int64_t rows = 0;
  int64_t input_bytes = 0;    // of the lines of those rows
  int64_t prompt_tokens = 0;  // of good rows
  int64_t output_tokens = 0;  // delivered
  std::map<std::string, int64_t> finish_reasons = {{"stop", 0}, {"length", 0}, {"error", 0}};
  std::map<std::string, int64_t> error_codes;
  QuantileSketch waiting_seconds;  // of rows that ran: until their first token
  QuantileSketch row_seconds;      // and from there to their end

  // Of the above, what an earlier run had finished: a journal served it.
  int64_t served_rows = 0;
  int64_t served_input_bytes = 0;
  int64_t served_prompt_tokens = 0;
  int64_t served_output_tokens = 0;

  void add(const Completion& completion, int64_t row_input_bytes);
  void add_served(const RowOutcome& outcome, int64_t row_input_bytes);
  int64_t failed_rows() const { return finish_reasons.at("error"); }

 private:
  void add_outcome(const RowOutcome& outcome, int64_t row_input_bytes);
};

struct JobStats {
  std::string model;
  std::string device;
  std::string dtype;
  std::string prompt_policy;
  std::string schedule;
  std::string sampling;  // what rows that say nothing have, and by whom; empty: all built in
  CudaVersions cuda;
  int max_num_seqs = 0;
  int64_t max_model_len = 0;

  double load_seconds = 0;      // checkpoint, tokenizer, memory and weights
  double tokenize_seconds = 0;  // on its own thread, beside the rest
  double output_seconds = 0;    // detokenize and write
  double job_seconds = 0;       // wall time after loading

  JobCounts counts;
  int64_t changed_rows = 0;  // run again on resuming, as they or what they depend on had changed
  int64_t retried_rows = 0;  // run again on resuming, as they had an error
  std::vector<Restart> restarts;      // of which this process is the last; the rest is of it alone
  EngineStats engine;                 // of all devices together
  std::vector<EngineReport> devices;  // each of them
  int64_t peak_host_bytes = 0;
};

// The most memory that this process has had resident.
int64_t peak_host_bytes();

// The memory plan as a table with its sum, for people; `of` says whose it is.
std::string format_ledger(std::span<const MemoryItem> memory, const std::string& of = {});
// That of each device.
std::string format_ledgers(std::span<const EngineReport> devices);

// Of the JSON: one more when a field goes or gets another meaning, not when one comes.
inline constexpr int kStatsVersion = 1;

// For people, and as JSON with every number (app/README.md).
std::string format_summary(const JobStats& stats);
std::string format_json(const JobStats& stats);

}  // namespace eet
