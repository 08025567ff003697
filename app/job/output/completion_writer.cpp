#include "app/job/output/completion_writer.h"

#include <exception>
#include <utility>

#include "lib/core/error.h"

namespace eet {

std::optional<RowOutcome> CompletionWriter::begin(const InputRow& row) {
  if (order_ == OutputOrder::kInput) unwritten_.push_back(row.row);
  return std::nullopt;
}

void CompletionWriter::add(const Completion& completion) {
  constexpr size_t kFlushBytes = size_t{1} << 20;
  std::string line = format_row(completion, format_);
  if (order_ == OutputOrder::kCompletion) {
    ready_ += line;
    ++rows_written_;
  } else {
    bytes_waiting_ += line.size();
    waiting_.emplace(completion.row, std::move(line));
    write_in_order();
  }
  if (ready_.size() >= kFlushBytes) flush();
}

void CompletionWriter::write_in_order() {
  while (!unwritten_.empty()) {
    const auto line = waiting_.extract(unwritten_.front());
    if (line.empty()) return;
    ready_ += line.mapped();
    bytes_waiting_ -= line.mapped().size();
    unwritten_.pop_front();
    ++rows_written_;
  }
}

void CompletionWriter::flush() {
  if (ready_.empty()) return;
  file_.write(std::exchange(ready_, {}));  // once: after a failure nobody knows how much was taken
}

bool CompletionWriter::finish(const std::function<void()>& on_complete,
                              const StopRequested& /*stop_requested*/) {
  flush();
  file_.finish();
  on_complete();
  return true;
}

std::string CompletionWriter::suspend() {
  try {
    flush();
    file_.finish();
  } catch (const std::exception&) {
    return "the job cannot be resumed, as only one whose --output is a file has a journal";
  }
  return concat(rows_written_, " rows were written; the job cannot be resumed, as only one whose ",
                "--output is a file has a journal");
}

}  // namespace eet
