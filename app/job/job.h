// The bulk job: rows in, completions out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "app/job/completion.h"
#include "app/job/completion_writer.h"
#include "app/job/job_stats.h"
#include "app/job/progress.h"
#include "app/job/row_source.h"
#include "lib/engine.h"
#include "tokenizer/tokenizer.h"

namespace eet {

// Moves rows through the stages: source (read, parse, tokenize: its own thread) -> engine ->
// builders (tokens to text, stop strings) -> writer (order, format). Each stage only knows what it
// is handed, so that a stage can move to a thread of its own. Host memory is bounded: the engine is
// fed up to its sort window, and the rows between the source and the output are limited in number
// and bytes.
class Job {
 public:
  // All references and `tokenizer` (null: none) must outlive the job.
  Job(RowSource& source, Engine& engine, const Tokenizer* tokenizer, CompletionWriter& writer,
      Progress& progress, bool echo);

  // Runs to the end of the input. Throws what ends the run; rows written until then stay.
  void run();

  const JobCounts& counts() const { return counts_; }
  double output_seconds() const { return output_seconds_; }

 private:
  bool feed();
  bool may_read() const;
  std::optional<InputRow> next_row(bool idle);
  void submit(InputRow row);
  void take(std::span<const TokenOutput> outputs);
  void complete(const Completion& completion, int64_t input_bytes);

  RowSource& source_;
  Engine& engine_;
  const Tokenizer* tokenizer_;
  CompletionWriter& writer_;
  Progress& progress_;
  const bool echo_;
  const uint64_t max_rows_in_flight_;

  std::unordered_map<uint64_t, CompletionBuilder>
      running_;  // by row, waiting in the engine or live
  size_t bytes_running_ = 0;
  uint64_t rows_read_ = 0;
  JobCounts counts_;
  double output_seconds_ = 0;
};

}  // namespace eet
