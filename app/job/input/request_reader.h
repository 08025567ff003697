// Rows of the input as requests, in whatever format they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "app/job/input/input_format.h"
#include "app/job/input/input_row.h"
#include "app/job/input/line_reader.h"
#include "app/job/input/row_parser.h"
#include "app/job/input/row_reader.h"

namespace eet {

class RequestReader {
 public:
  static constexpr size_t kMaxLineBytes = size_t{64} << 20;

  // `path` "-" is standard input. Throws Error when it cannot be read or its header is bad.
  RequestReader(const std::string& path, RowDefaults defaults, InputOptions options = {},
                size_t max_line_bytes = kMaxLineBytes);
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // The next row of the shard, good or bad; nothing at the end. Blank lines are no rows. A line
  // longer than the limit is a bad row (line_too_long) and is never held in memory.
  std::optional<InputRow> next();

  // Ends the input, also for a thread that waits in next().
  void cancel() { lines_.cancel(); }

  const LineReader& lines() const { return lines_; }

  // Rows of all shards, once next() has given nothing.
  uint64_t input_rows() const { return input_rows_; }

 private:
  LineReader lines_;
  RowDefaults defaults_;
  InputOptions options_;
  std::unique_ptr<RowReader> reader_;
  uint64_t input_rows_ = 0;  // read or passed over
};

}  // namespace eet
