// The bulk job: rows in, completions out.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "app/job/input/row_source.h"
#include "app/job/job_stats.h"
#include "app/job/output/completion.h"
#include "app/job/output/completion_sink.h"
#include "app/job/progress.h"
#include "app/job/running_rows.h"
#include "lib/generator.h"
#include "tokenizer/tokenizer.h"

namespace eet {

// A row with its engine's opinion: marks it as bad where it cannot run. Returns the request.
Request check(InputRow& row, const Generator& engine);

struct JobOptions {
  bool live_input = false;       // rows may come one by one, from a pipe, and are wanted soon
  bool fail_on_bad_row = false;  // instead of giving it its place in the output
  bool keep_going = false;       // also when the first rows all fail alike
  size_t token_bytes = 0;        // of the output's JSON for each token, beside the text
  int text_threads = 1;          // that turn tokens into rows of the output
};

// Moves rows through the stages: source (read, parse, tokenize: its own thread) -> engine ->
// running rows (tokens to text, stop strings, row of the output) -> sink (order, journal). Each
// stage only knows what it is handed, so that a stage can move to a thread of its own. Host memory
// is bounded: the engine is fed up to its sort window, and the rows between the source and the
// output are limited in number and bytes.
class Job {
 public:
  // All references and `tokenizer` (null: none) must outlive the job.
  Job(RowSource& source, Generator& engine, const Tokenizer* tokenizer, CompletionSink& sink,
      Progress& progress, const JobOptions& options);

  // Runs to the end of the input, or until `stop_requested` after a step: then false, and rows that
  // are not finished are dropped. A stop that finds the job waiting for input must also end the
  // input. Throws what ends the run; the sink has what was finished until then. When the first rows
  // all fail for one reason, the job is wrong and not they: that ends it, unless it is to keep
  // going.
  bool run(const StopRequested& stop_requested);

  const JobCounts& counts() const { return counts_; }
  double output_seconds() const { return output_seconds_; }

 private:
  using Clock = std::chrono::steady_clock;

  bool feed(const StopRequested& stop_requested);
  bool may_read() const;
  std::optional<InputRow> next_row(bool was_idle, Clock::time_point patience_ends);
  void submit(InputRow row);
  void take(std::span<const TokenOutput> outputs);
  static bool check_echo(CompletionBuilder& builder);
  void complete(FinishedRow row);
  void notice_failure(const Completion& completion);

  RowSource& source_;
  Generator& engine_;
  const Tokenizer* tokenizer_;
  CompletionSink& sink_;
  Progress& progress_;
  const JobOptions options_;
  const uint64_t max_rows_in_flight_;

  RunningRows running_;
  JobCounts counts_;
  double output_seconds_ = 0;
  bool failure_reported_ = false;
  int64_t submitted_ = 0;
  uint64_t first_rows_end_ = UINT64_MAX;  // behind the first rows that this run has had
  int64_t first_failures_ = 0;            // of those rows
};

}  // namespace eet
