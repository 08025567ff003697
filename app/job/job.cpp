#include "app/job/job.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "app/job/stopwatch.h"

namespace eet {
namespace {

// Input lines and ids of rows that are read and not yet written. Far above what a job needs to keep
// a device busy, and far below a host's memory.
constexpr size_t kMaxBytesInFlight = size_t{1} << 30;

// So many rows, none of them good, that the job is to blame.
constexpr int64_t kFirstRows = 200;

// How far reading may run ahead of the oldest unfinished row. The sort window alone does not bound
// that: a long prompt may wait while shorter ones come in and overtake it.
uint64_t max_rows_in_flight(const Generator& engine) {
  return 4 * static_cast<uint64_t>(engine.sort_window()) +
         static_cast<uint64_t>(engine.max_num_seqs());
}

}  // namespace

Request check(InputRow& row, const Generator& engine) {
  if (row.error) return {};
  Request request = {row.row, row.prompt_ids, row.params, row.score_from, row.top_logprobs};
  if (std::optional<RowError> reason = engine.check(request)) row.fail(std::move(*reason));
  return request;
}

Job::Job(RowSource& source, Generator& engine, const Tokenizer* tokenizer, CompletionSink& sink,
         Progress& progress, const JobOptions& options)
    : source_(source),
      engine_(engine),
      tokenizer_(tokenizer),
      sink_(sink),
      progress_(progress),
      options_(options),
      max_rows_in_flight_(max_rows_in_flight(engine)),
      running_([&sink](const Completion& completion) { return sink.format(completion); },
               options.text_threads) {}

bool Job::run(const StopRequested& stop_requested) {
  while (feed(stop_requested) && !stop_requested()) {
    take(engine_.step());
  }
  const ScopedTimer timer(output_seconds_);
  sink_.flush();
  return !stop_requested();
}

bool Job::may_read() const {
  return engine_.num_waiting() < engine_.sort_window() &&
         running_.size() + sink_.rows_held() < max_rows_in_flight_ &&
         running_.memory_bytes() + sink_.bytes_held() < kMaxBytesInFlight;
}

// The next row. A busy engine is not kept waiting for one. An idle one waits, so that its first
// batch is sorted as well as later ones: for a window of a file's rows, which come as fast as they
// are read, but no longer than `patience_ends` for a live input's.
std::optional<InputRow> Job::next_row(bool was_idle, Clock::time_point patience_ends) {
  constexpr std::chrono::milliseconds kNone(0);
  if (!engine_.has_work()) {
    if (std::optional<InputRow> row = source_.pop_within(kNone)) return row;
    sink_.flush();
    return source_.pop();
  }
  if (was_idle && !options_.live_input) return source_.pop();
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(patience_ends - Clock::now());
  return source_.pop_within(std::max(left, kNone));
}

// Fills the engine's window; false when nothing is left to do.
bool Job::feed(const StopRequested& stop_requested) {
  constexpr std::chrono::milliseconds kPatience(100);
  const bool was_idle = !engine_.has_work();
  Clock::time_point patience_ends = Clock::now();
  while (may_read()) {
    const bool is_first = !engine_.has_work();
    std::optional<InputRow> row = next_row(was_idle, patience_ends);
    if (is_first) patience_ends = Clock::now() + kPatience;
    // A stop may have cut the input in the middle of this row.
    if (!row || stop_requested()) break;
    submit(std::move(*row));
  }
  return engine_.has_work();
}

void Job::submit(InputRow row) {
  const int64_t input_bytes = row.input_bytes;
  Request request = check(row, engine_);
  if (const std::optional<RowOutcome> outcome = sink_.begin(row)) {
    counts_.add_served(*outcome, input_bytes);
    return;
  }
  if (++submitted_ == kFirstRows) first_rows_end_ = row.row + 1;
  if (row.error) {
    const ScopedTimer timer(output_seconds_);
    complete(running_.finish(failed_completion(std::move(row)), input_bytes));
    return;
  }
  CompletionBuilder builder(std::move(row), tokenizer_, options_.token_bytes);
  if (!check_echo(builder)) {
    complete(running_.finish(builder.take(), input_bytes));
    return;
  }
  running_.add(request.row, std::move(builder));
  engine_.add_request(std::move(request));
}

// As CompletionBuilder::check_echo(); memory that is missing for a row is that row's error.
bool Job::check_echo(CompletionBuilder& builder) {
  try {
    return builder.check_echo();
  } catch (const std::bad_alloc&) {
    builder.fail(out_of_memory());
    return false;
  }
}

void Job::take(std::span<const TokenOutput> outputs) {
  const ScopedTimer timer(output_seconds_);
  std::vector<std::pair<uint64_t, int32_t>> stopped;  // row and sample
  for (RunningRows::End& end : running_.take(outputs)) {
    const TokenOutput& output = outputs[end.token];
    if (output.finish == FinishReason::kNone) stopped.emplace_back(output.row, output.sample);
    if (!end.row) continue;
    const int32_t num_samples = end.row->num_samples;
    for (int32_t sample = 0; end.row->completion.error && sample < num_samples; ++sample) {
      stopped.emplace_back(output.row, sample);
    }
    complete(std::move(*end.row));
  }
  for (const auto& [row, sample] : stopped) engine_.stop(row, sample);
  sink_.flush();
  progress_.update(counts_);
}

void Job::complete(FinishedRow row) {
  const Completion& completion = row.completion;
  require(!options_.fail_on_bad_row || !completion.error,
          completion.error ? completion.error->message : "", " (--on-error fail)");
  try {
    sink_.add(completion, std::move(row.text));
    counts_.add(completion, row.input_bytes);
  } catch (const std::bad_alloc&) {
    if (completion.error) throw;
    row.completion = failed_completion(completion, out_of_memory());
    row.text = sink_.format(row.completion);
    return complete(std::move(row));
  }
  if (completion.error) notice_failure(completion);
}

// People see the first mistake while it is early, and a job whose rows all make it ends.
void Job::notice_failure(const Completion& completion) {
  const RowError& error = *completion.error;
  if (!std::exchange(failure_reported_, true)) {
    progress_.finish();
    std::fprintf(stderr, "eet: first failed row: %s (%s)\n", error.message.c_str(),
                 error.code.c_str());
  }
  if (completion.row < first_rows_end_) ++first_failures_;
  const bool alike = counts_.error_codes.size() == 1 && counts_.failed_rows() == counts_.rows;
  require(options_.keep_going || !alike || first_failures_ < kFirstRows, "all of the first ",
          kFirstRows, " rows failed with ", error.code, ", the last one: ", error.message,
          "; --keep-going runs the rest all the same");
}

}  // namespace eet
