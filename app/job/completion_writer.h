// Rows of the output in the order of the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "app/job/completion.h"
#include "app/job/result_file.h"
#include "app/job/row_format.h"

namespace eet {

// Puts completions, which come in any order, in the order of their rows. It holds those that wait
// for an earlier row: the caller bounds them by bounding how far it reads ahead (rows_written()).
class CompletionWriter {
 public:
  CompletionWriter(ResultFile& file, const OutputFormat& format) : file_(file), format_(format) {}

  // Takes row `completion.row`, each row from 0 once.
  void add(const Completion& completion);

  // Hands to the file the rows that no earlier row holds back.
  void flush();

  uint64_t rows_written() const { return next_row_; }
  size_t bytes_waiting() const { return bytes_waiting_; }  // of rows that an earlier one holds back

 private:
  ResultFile& file_;
  OutputFormat format_;
  std::map<uint64_t, std::string> waiting_;  // formatted rows
  size_t bytes_waiting_ = 0;
  std::string ready_;
  uint64_t next_row_ = 0;
};

}  // namespace eet
