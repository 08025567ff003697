#include "app/job/completion_writer.h"

namespace eet {

void CompletionWriter::add(const Completion& completion) {
  constexpr size_t kFlushBytes = size_t{1} << 20;
  std::string line = format_row(completion, format_);
  if (completion.row != next_row_) {
    bytes_waiting_ += line.size();
    waiting_.emplace(completion.row, std::move(line));
    return;
  }
  ready_ += line;
  ++next_row_;
  while (!waiting_.empty() && waiting_.begin()->first == next_row_) {
    const auto first = waiting_.begin();
    ready_ += first->second;
    bytes_waiting_ -= first->second.size();
    waiting_.erase(first);
    ++next_row_;
  }
  if (ready_.size() >= kFlushBytes) flush();
}

void CompletionWriter::flush() {
  if (ready_.empty()) return;
  file_.write(ready_);
  ready_.clear();
}

}  // namespace eet
