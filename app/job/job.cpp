#include "app/job/job.h"

#include <chrono>
#include <span>
#include <utility>
#include <vector>

#include "app/job/stopwatch.h"

namespace eet {
namespace {

// Input lines of rows that are read and not yet written. Far above what a job needs to keep a
// device busy, and far below a host's memory.
constexpr size_t kMaxBytesInFlight = size_t{1} << 30;

// How far reading may run ahead of the oldest unfinished row. The sort window alone does not bound
// that: a long prompt may wait while shorter ones come in and overtake it.
uint64_t max_rows_in_flight(const Engine& engine) {
  return 4 * static_cast<uint64_t>(engine.sort_window()) +
         static_cast<uint64_t>(engine.max_num_seqs());
}

}  // namespace

Job::Job(RowSource& source, Engine& engine, const Tokenizer* tokenizer, CompletionWriter& writer,
         Progress& progress, bool echo)
    : source_(source),
      engine_(engine),
      tokenizer_(tokenizer),
      writer_(writer),
      progress_(progress),
      echo_(echo),
      max_rows_in_flight_(max_rows_in_flight(engine)) {}

void Job::run() {
  while (feed()) {
    take(engine_.step());
  }
  const ScopedTimer timer(output_seconds_);
  writer_.flush();
}

bool Job::may_read() const {
  return engine_.num_waiting() < engine_.sort_window() &&
         rows_read_ - writer_.rows_written() < max_rows_in_flight_ &&
         bytes_running_ + writer_.bytes_waiting() < kMaxBytesInFlight;
}

// A busy engine is not kept waiting for a row. An idle one waits, so that its first batch is sorted
// as well as later ones, but not for a window that a slow writer of a pipe may never fill.
std::optional<InputRow> Job::next_row(bool idle) {
  constexpr std::chrono::milliseconds kPatience(100);
  constexpr std::chrono::milliseconds kNone(0);
  if (engine_.has_work()) return source_.pop_within(idle ? kPatience : kNone);
  if (std::optional<InputRow> row = source_.pop_within(kNone)) return row;
  writer_.flush();
  return source_.pop();
}

// Fills the engine's window; false when nothing is left to do.
bool Job::feed() {
  const bool idle = !engine_.has_work();
  while (may_read()) {
    std::optional<InputRow> row = next_row(idle);
    if (!row) break;
    ++rows_read_;
    submit(std::move(*row));
  }
  return engine_.has_work();
}

void Job::submit(InputRow row) {
  const int64_t input_bytes = row.input_bytes;
  Request request;
  if (!row.error) {
    request = {row.row, row.prompt_ids, row.params};
    if (std::optional<RowError> reason = engine_.check(request)) row.fail(std::move(*reason));
  }
  if (row.error) {
    const ScopedTimer timer(output_seconds_);
    complete(failed_completion(std::move(row)), input_bytes);
    return;
  }
  bytes_running_ += static_cast<size_t>(input_bytes);
  running_.try_emplace(request.row, std::move(row), tokenizer_, echo_);
  engine_.add_request(std::move(request));
}

void Job::take(std::span<const TokenOutput> outputs) {
  const ScopedTimer timer(output_seconds_);
  std::vector<uint64_t> stopped;
  for (const TokenOutput& output : outputs) {
    const auto found = running_.find(output.row);
    if (found == running_.end()) continue;  // a token computed before the engine knew of the stop
    CompletionBuilder& builder = found->second;
    if (builder.push(output)) continue;
    if (output.finish == FinishReason::kNone) stopped.push_back(output.row);
    const int64_t input_bytes = builder.input_bytes();
    bytes_running_ -= static_cast<size_t>(input_bytes);
    const Completion completion = builder.take();
    running_.erase(found);
    complete(completion, input_bytes);
  }
  for (const uint64_t row : stopped) engine_.stop(row);
  writer_.flush();
  progress_.update(counts_);
}

void Job::complete(const Completion& completion, int64_t input_bytes) {
  counts_.add(completion, input_bytes);
  writer_.add(completion);
}

}  // namespace eet
