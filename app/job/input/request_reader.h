// Rows of the inputs as requests, in whatever format they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/job/file_id.h"
#include "app/job/input/input_format.h"
#include "app/job/input/input_row.h"
#include "app/job/input/line_reader.h"
#include "app/job/input/row_parser.h"
#include "app/job/input/row_reader.h"

namespace eet {

// Reads one input after the other as if they were one: rows, and the numbers of those without an
// id, are counted through all of them. Each has a format and compression of its own.
class RequestReader {
 public:
  static constexpr size_t kMaxLineBytes = size_t{64} << 20;

  // `paths`: at least one; "-" is standard input. Opens all of them, so that one that cannot be
  // read, whose header is bad, or that is named twice is refused (Error) before any work is done.
  // Files but the first are closed again until it is their turn: there may be more of them than a
  // process can hold open. The header of a pipe behind the first input is read when it is its turn.
  RequestReader(std::vector<std::string> paths, RowDefaults defaults, InputOptions options = {},
                size_t max_line_bytes = kMaxLineBytes);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // The next row of the shard, good or bad; nothing at the end. Blank lines are no rows. A line
  // longer than the limit is a bad row (line_too_long) and is never held in memory.
  std::optional<InputRow> next();

  // Ends the input, also for a thread that waits in next(). May be called from any thread.
  void cancel();

  // Of each input.
  const FileIds& files() const { return files_; }

  // Bytes of all inputs where they are regular files, estimated where they are compressed. May be
  // called from any thread.
  std::optional<int64_t> total_bytes() const;

  // Rows of all shards, and a hash of all their text, once next() has given nothing.
  uint64_t input_rows() const { return input_rows_; }
  uint64_t content_hash() const;

 private:
  struct OpenInput;

  void start(OpenInput& input, const std::string& path) const;
  void add_file(const LineReader& lines);
  bool advance();

  const std::vector<std::string> paths_;
  const RowDefaults defaults_;
  const InputOptions options_;
  const size_t max_line_bytes_;
  FileIds files_;
  std::vector<std::optional<int64_t>> sizes_;  // of files as they are, by input
  uint64_t input_rows_ = 0;                    // read or passed over
  uint64_t first_number_ = 0;                  // of rows of the present input
  std::string hashes_;                         // of the inputs before the present one

  // Of what follows; only the thread that reads changes it.
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<OpenInput>> open_;  // by input; null: read already, or closed so far
  size_t current_ = 0;                            // the present input
  int64_t bytes_read_ = 0;                        // of inputs before it
  bool cancelled_ = false;
};

}  // namespace eet
