#include "app/job/input/csv_reader.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "app/job/input/json_members.h"
#include "app/job/input/row_limits.h"

namespace eet {
namespace {

[[noreturn]] void fail(std::string message) {
  throw BadRow({"invalid_csv", std::move(message)});
}

}  // namespace

bool CsvReader::hold(size_t index) {
  while (held_.size() <= index) {
    const std::optional<Line> line = lines_.next();
    if (!line) return false;
    held_.push_back({line->number, line->bytes, line->too_long, std::string(line->text),
                     std::string(line->line_end)});
  }
  return true;
}

bool CsvReader::hold_record() {
  while (hold(0) && !held_[0].too_long &&
         held_[0].text.find_first_not_of(' ') == std::string::npos) {
    held_.pop_front();
  }
  return hold(0);
}

bool CsvReader::take_noted_delimiter() {
  constexpr std::string_view kNote = "sep=";
  if (!hold_record() || held_[0].text.size() != kNote.size() + 1) return false;
  if (!held_[0].text.starts_with(kNote)) return false;
  delimiter_ = held_[0].text.back();
  held_.pop_front();
  return true;
}

std::vector<std::string> CsvReader::peek(char delimiter) {
  if (!hold_record()) return {};
  const char own = std::exchange(delimiter_, delimiter);
  std::vector<std::string> cells;
  try {
    cells = read_cells(std::nullopt);
  } catch (const BadRow&) {
    cells.clear();
  }
  delimiter_ = own;
  return cells;
}

std::optional<CsvRecord> CsvReader::next(std::optional<size_t> columns) {
  if (!hold_record()) return std::nullopt;
  CsvRecord record;
  record.line = held_[0].number;
  try {
    record.cells = read_cells(columns);
  } catch (const BadRow& bad) {
    record.error = bad.row_error();
    index_ = 0;
  }
  const auto end = held_.begin() + static_cast<std::ptrdiff_t>(index_) + 1;
  std::for_each(held_.begin(), end, [&](const HeldLine& line) { record.bytes += line.bytes; });
  held_.erase(held_.begin(), end);
  return record;
}

std::vector<std::string> CsvReader::read_cells(std::optional<size_t> columns) {
  index_ = 0;
  at_ = 0;
  record_bytes_ = 0;
  if (held_[0].too_long) {
    throw BadRow({"line_too_long",
                  concat("expected at most ", max_record_bytes_, " bytes, got ", held_[0].bytes)});
  }
  std::vector<std::string> cells;
  cells.reserve(columns.value_or(0));
  while (true) {
    if (!columns && cells.size() == kMaxRowFields) {
      fail(concat("expected at most ", kMaxRowFields, " columns, got more"));
    }
    if (columns && cells.size() == *columns) {
      fail(concat("expected ", *columns, " cells as in the header, got more"));
    }
    const bool is_quoted = at_ < text().size() && text()[at_] == '"';
    cells.push_back(is_quoted ? read_quoted_cell() : read_plain_cell());
    if (at_ == text().size()) break;
    if (text()[at_] != delimiter_) {
      fail(concat("cell ", cells.size(), ": expected its end behind the closing quote, got ",
                  text().substr(at_, 20)));
    }
    ++at_;
  }
  if (columns && cells.size() != *columns) {
    fail(concat("expected ", *columns, " cells as in the header, got ", cells.size()));
  }
  return cells;
}

std::string CsvReader::read_plain_cell() {
  const size_t begin = at_;
  at_ = std::min(text().find(delimiter_, at_), text().size());
  return text().substr(begin, at_ - begin);
}

std::string CsvReader::read_quoted_cell() {
  std::string cell;
  ++at_;  // the opening quote
  while (true) {
    const size_t quote = text().find('"', at_);
    cell.append(text(), at_, quote - at_);
    if (quote == std::string::npos) {
      cell += held_[index_].line_end;
      continue_on_next_line();
      continue;
    }
    at_ = quote + 1;
    if (text().compare(at_, 1, "\"") != 0) return cell;
    cell += '"';
    ++at_;
  }
}

void CsvReader::continue_on_next_line() {
  if (!hold(index_ + 1)) fail("a quote is not closed before the end of the input");
  const HeldLine& line = held_[++index_];
  record_bytes_ += sizeof(HeldLine) + line.text.size();
  if (line.too_long || record_bytes_ > max_record_bytes_) {
    fail(concat("a quote is not closed within ", max_record_bytes_, " bytes"));
  }
  at_ = 0;
}

}  // namespace eet
