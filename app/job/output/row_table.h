// Rows of the output as the records of a table: CSV or TSV.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "app/job/output/row_style.h"

namespace eet {

struct TableFormat {
  char delimiter = ',';
  std::vector<std::string> columns = {};  // optional fields that rows of this job may have
};

// A column for each field that rows have, a cell for each of its values: a string is its text,
// numbers, true and false are as in JSON, null and absent fields are empty cells, lists and objects
// are JSON text. Cells that hold the delimiter, a quote or a line break, and empty strings, are
// between quotes, doubled where they are in the cell (RFC 4180). Records end in "\n".
class RowTable {
 public:
  // The columns are at first those of `style` that every row has, and those of `format`.
  RowTable(const TableFormat& format, RowStyle style);

  // Makes room for the fields of `row`, a JSON object: fields of the style in its order, then
  // others in the order of their coming. Throws Error when there are more than kMaxColumns.
  void add_columns(std::string_view row);
  static constexpr size_t kMaxColumns = 4096;

  std::string header() const;

  // Throws Error when `row` has a field without a column.
  std::string record(std::string_view row) const;

 private:
  void add_column(const std::string& name);
  size_t rank(std::string_view name) const;
  void append_cell(std::string& out, std::string_view text) const;

  char delimiter_;
  RowStyle style_;
  std::vector<std::string> columns_;
  std::unordered_map<std::string, size_t> index_;
};

// The text of a cell that has a JSON value.
std::string cell_text(std::string_view raw_value);

}  // namespace eet
