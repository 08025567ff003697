#include "app/job/output/row_table.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "app/job/input/json_members.h"
#include "lib/core/error.h"

namespace eet {
namespace {

std::vector<JsonMember> members_of(std::string_view row) {
  try {
    return split_members(row, SIZE_MAX);
  } catch (const BadRow& bad) {
    throw Error(concat("internal error: a row of the output is no JSON object: ", bad.what()));
  }
}

}  // namespace

RowTable::RowTable(const TableFormat& format, RowStyle style)
    : delimiter_(format.delimiter), style_(style) {
  for (const std::string_view name : output_fields(style)) {
    if (!is_optional_output_field(name)) add_column(std::string(name));
  }
  for (const std::string& name : format.columns) add_column(name);
}

// Where a column is among those of the style; behind them, if it is none.
size_t RowTable::rank(std::string_view name) const {
  const std::span<const std::string_view> own = output_fields(style_);
  return static_cast<size_t>(std::ranges::find(own, name) - own.begin());
}

void RowTable::add_column(const std::string& name) {
  if (index_.contains(name)) return;
  require(columns_.size() < kMaxColumns, "the rows have more than ", kMaxColumns,
          " different fields, too many for a table: write JSON lines (--output-format simple)");
  const auto place = std::ranges::upper_bound(columns_, rank(name), {},
                                              [&](const std::string& each) { return rank(each); });
  columns_.insert(place, name);
  for (size_t i = 0; i < columns_.size(); ++i) index_[columns_[i]] = i;
}

void RowTable::add_columns(std::string_view row) {
  for (const JsonMember& member : members_of(row)) add_column(member.key);
}

std::string RowTable::header() const {
  std::string out;
  for (const std::string& column : columns_) {
    if (!out.empty()) out += delimiter_;
    append_cell(out, column);
  }
  return out + '\n';
}

std::string RowTable::record(std::string_view row) const {
  std::vector<std::optional<std::string>> cells(columns_.size());
  for (const JsonMember& member : members_of(row)) {
    const auto found = index_.find(member.key);
    require(found != index_.end(), "a row has the field \"", member.key,
            "\", for which the table has no column: the first row names the columns of a stream; "
            "give all rows the same fields, or write to a file with a journal, which gets the "
            "columns of all rows, or JSON lines (--output-format simple)");
    if (member.raw_value != "null") cells[found->second] = cell_text(member.raw_value);
  }
  std::string out;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += delimiter_;
    if (cells[i]) append_cell(out, *cells[i]);
  }
  return out + '\n';
}

void RowTable::append_cell(std::string& out, std::string_view text) const {
  const char special[] = {delimiter_, '"', '\n', '\r'};
  const bool is_quoted =
      text.empty() || text.find_first_of({special, sizeof special}) != std::string_view::npos;
  if (!is_quoted) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

std::string cell_text(std::string_view raw_value) {
  if (!raw_value.starts_with('"')) return std::string(raw_value);
  return nlohmann::json::parse(raw_value).get<std::string>();
}

}  // namespace eet
