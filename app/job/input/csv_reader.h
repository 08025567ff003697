// Records of a CSV or TSV file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "app/job/input/line_reader.h"
#include "lib/core/error.h"

namespace eet {

struct CsvRecord {
  uint64_t line = 0;  // its first one
  int64_t bytes = 0;  // of its lines
  std::vector<std::string> cells;
  std::optional<RowError> error;  // and then no cells
};

// RFC 4180: cells between quotes may hold delimiters, line breaks (kept as they are) and doubled
// quotes. A quote inside an unquoted cell is a character like any other. Blank lines are no
// records.
//
// A malformed record costs its first line only: reading goes on with the next line, since what a
// missing quote swallowed may be good records.
class CsvReader {
 public:
  // `lines` must outlive the reader. A record whose lines cost more than max_record_bytes of memory
  // is malformed.
  CsvReader(LineReader& lines, char delimiter, size_t max_record_bytes)
      : lines_(lines), delimiter_(delimiter), max_record_bytes_(max_record_bytes) {}

  // Takes the delimiter that Excel notes in a first line of its own, "sep=;". Returns whether there
  // was one. Before the first record only.
  bool take_noted_delimiter();

  // The cells that the next record has with another delimiter; none where it is malformed with it,
  // or there is no record. It stays the next one.
  std::vector<std::string> peek(char delimiter);

  // For the records to come.
  void set_delimiter(char delimiter) { delimiter_ = delimiter; }

  // The next record, nothing at the end. With `columns`, one of any other number of cells is
  // malformed. Error codes: invalid_csv, line_too_long.
  std::optional<CsvRecord> next(std::optional<size_t> columns);

 private:
  struct HeldLine {
    uint64_t number = 0;
    int64_t bytes = 0;  // of the input
    bool too_long = false;
    std::string text;
    std::string line_end;
  };

  bool hold_record();       // passes over blank lines; false at the end of the input
  bool hold(size_t index);  // reads up to held_[index]; false at the end of the input
  std::vector<std::string> read_cells(std::optional<size_t> columns);
  std::string read_plain_cell();
  std::string read_quoted_cell();
  void continue_on_next_line();
  const std::string& text() const { return held_[index_].text; }

  LineReader& lines_;
  char delimiter_;
  size_t max_record_bytes_;
  std::deque<HeldLine> held_;  // read and not yet part of a finished record

  // Of the record being read.
  size_t index_ = 0;  // of its present line in held_
  size_t at_ = 0;     // in that line
  size_t record_bytes_ = 0;
};

}  // namespace eet
