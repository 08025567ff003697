#include "app/job/output/completion_writer.h"

#include <exception>
#include <utility>

#include "lib/core/error.h"

namespace eet {

CompletionWriter::CompletionWriter(ResultFile& file, const OutputFormat& format, OutputOrder order)
    : file_(file), format_(format), order_(order) {
  if (format.table) table_.emplace(*format.table, format.style);
}

std::optional<RowOutcome> CompletionWriter::begin(const InputRow& row) {
  if (order_ == OutputOrder::kInput) unwritten_.push_back(row.row);
  return std::nullopt;
}

std::string CompletionWriter::format(const Completion& completion) const {
  return format_row(completion, format_);
}

void CompletionWriter::add(const Completion& completion, std::string text) {
  constexpr size_t kFlushBytes = size_t{1} << 20;
  Row row = {std::move(text), completion.error.has_value()};
  if (order_ == OutputOrder::kCompletion) {
    put(std::move(row));
  } else {
    bytes_waiting_ += row.text.size();
    waiting_.emplace(completion.row, std::move(row));
    write_in_order();
  }
  if (ready_.size() >= kFlushBytes) flush();
}

void CompletionWriter::write_in_order() {
  while (!unwritten_.empty()) {
    auto row = waiting_.extract(unwritten_.front());
    if (row.empty()) return;
    bytes_waiting_ -= row.mapped().text.size();
    put(std::move(row.mapped()));
    unwritten_.pop_front();
  }
}

// The first row that is good names the columns of a table: one that could not be read lacks them.
void CompletionWriter::put(Row row) {
  constexpr size_t kMaxBeforeHeader = 1000;
  ++rows_written_;
  if (!table_) {
    ready_ += row.text;
    return;
  }
  if (has_header_) {
    ready_ += table_->record(row.text);
    return;
  }
  before_header_.push_back(std::move(row.text));
  if (!row.failed || before_header_.size() == kMaxBeforeHeader) put_header();
}

void CompletionWriter::put_header() {
  for (const std::string& row : before_header_) table_->add_columns(row);
  ready_ += table_->header();
  for (const std::string& row : before_header_) ready_ += table_->record(row);
  before_header_.clear();
  has_header_ = true;
}

void CompletionWriter::flush() {
  if (ready_.empty()) return;
  const std::string rows = std::exchange(ready_, {});
  failed_ = true;
  file_.write(rows);
  failed_ = false;
}

bool CompletionWriter::finish(const std::function<void()>& on_complete,
                              const StopRequested& /*stop_requested*/) {
  if (table_ && !has_header_) put_header();
  flush();
  file_.finish();
  on_complete();
  return true;
}

std::string CompletionWriter::suspend() {
  constexpr const char* kNoJournal =
      "the job cannot be resumed, as only one whose --output is a file has a journal";
  try {
    if (!failed_) {
      if (table_ && !has_header_) put_header();
      flush();
      file_.finish();
      return concat(rows_written_, " rows were written; ", kNoJournal);
    }
  } catch (const std::exception&) {
    // As when writing failed before.
  }
  return concat("the output is incomplete; ", kNoJournal);
}

}  // namespace eet
