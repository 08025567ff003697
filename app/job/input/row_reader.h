// The rows of one input format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "app/job/input/input_format.h"
#include "app/job/input/input_row.h"
#include "app/job/input/line_reader.h"

namespace eet {

class RowReader {
 public:
  virtual ~RowReader() = default;

  // The next row, good or bad, without its index among the rows; nothing at the end.
  virtual std::optional<InputRow> next() = 0;

  // Passes over the next row, at less cost; false at the end.
  virtual bool skip() = 0;

  // Lines, or elements of an array, that have been read so far.
  virtual uint64_t count() const = 0;
};

// What rows are made of. The references must outlive the reader.
struct RowSettings {
  const RowDefaults& defaults;
  const PromptOptions& prompts;
  size_t max_line_bytes;
  std::string file = {};      // RowPlace::file of all rows
  uint64_t first_number = 0;  // what numbers of rows are counted from
};

// `format` is not kAuto. Lines of text and records of tables become the plain rows that have the
// same fields: a cell is a string, but for parameters, prompt_token_ids and messages, which are
// read as JSON where they are JSON and where an empty cell is none at all, as in id.
//
// The delimiter of a table of kCsv is a comma, unless a first line of "sep=;" names another, or
// only with a semicolon, a tab or a bar the header has what the prompt is made of.
//
// For a table, reads the header; throws Error when it is malformed, names a column twice, or lacks
// what the prompt is made of.
std::unique_ptr<RowReader> make_row_reader(InputFormat format, LineReader& lines,
                                           const RowSettings& settings);

}  // namespace eet
