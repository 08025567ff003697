// Rows of the output as a stream: standard output, a pipe, a device, or a file without a journal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/job/input/row_format.h"
#include "app/job/output/completion_sink.h"
#include "app/job/output/result_file.h"

namespace eet {

// Puts completions, which come in any order, in the order of their rows, unless that of completion
// is wanted. It holds those that wait for an earlier row: the caller bounds them by bounding how
// far it reads ahead (rows_held(), bytes_held()).
class CompletionWriter : public CompletionSink {
 public:
  CompletionWriter(ResultFile& file, const OutputFormat& format, OutputOrder order);

  std::optional<RowOutcome> begin(const InputRow& row) override;
  std::string format(const Completion& completion) const override;
  void add(const Completion& completion, std::string text) override;
  void flush() override;
  uint64_t rows_held() const override { return waiting_.size(); }
  size_t bytes_held() const override { return bytes_waiting_; }
  bool finish(const std::function<void()>& on_complete,
              const StopRequested& stop_requested) override;
  std::string suspend() override;

 private:
  struct Row {
    std::string text;
    bool failed = false;
  };

  void write_in_order();
  void put(Row row);
  void put_header();

  ResultFile& file_;
  OutputFormat format_;
  OutputOrder order_;
  std::deque<uint64_t> unwritten_;  // rows in the order of the input, with OutputOrder::kInput
  std::unordered_map<uint64_t, Row> waiting_;  // of them
  size_t bytes_waiting_ = 0;
  std::optional<RowTable> table_;
  std::vector<std::string> before_header_;  // rows of a table whose columns are not known
  bool has_header_ = false;
  std::string ready_;
  uint64_t rows_written_ = 0;  // handed to the file or ready for it
  bool failed_ = false;        // nobody knows how much of them the file has
};

}  // namespace eet
