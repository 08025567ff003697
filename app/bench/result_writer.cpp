#include "app/bench/result_writer.h"

#include <algorithm>

namespace eet {
namespace {

using nlohmann::ordered_json;

std::string dump(const ordered_json& value, int indent = -1) {
  return value.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

// RFC 4180. Lists are for JSON only.
std::string csv_field(const ordered_json& value) {
  if (value.is_null()) return {};
  if (!value.is_string()) return dump(value);
  std::string field = value.get<std::string>();
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  for (size_t at = 0; (at = field.find('"', at)) != std::string::npos; at += 2) {
    field.insert(at, 1, '"');
  }
  return "\"" + field + "\"";
}

std::vector<std::string> csv_fields(const ordered_json& record, bool names) {
  std::vector<std::string> fields;
  for (const auto& [name, value] : record.items()) {
    if (!value.is_structured()) fields.push_back(names ? name : csv_field(value));
  }
  return fields;
}

std::string join(const std::vector<std::string>& parts) {
  std::string line;
  for (size_t i = 0; i < parts.size(); ++i) line += (i > 0 ? "," : "") + parts[i];
  return line;
}

size_t column_width(const std::string& heading) {
  constexpr size_t kMinWidth = 8;
  return std::max(heading.size(), kMinWidth);
}

// Filled up on the left to `width` characters (not bytes of UTF-8).
std::string padded(const std::string& text, size_t width) {
  const auto characters = static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  return std::string(width - std::min(width, characters), ' ') + text;
}

}  // namespace

void ResultWriter::add(const ResultRow& row) {
  switch (format_) {
    case ResultFormat::kMarkdown:
      add_markdown(row);
      break;
    case ResultFormat::kCsv:
      add_csv(row);
      break;
    case ResultFormat::kJson:
      out_ << (first_ ? "[\n" : ",\n") << dump(row.record, 2);
      break;
    case ResultFormat::kJsonl:
      out_ << dump(row.record) << '\n';
      break;
  }
  first_ = false;
  out_.flush();
}

void ResultWriter::finish() {
  if (format_ != ResultFormat::kJson) return;
  out_ << (first_ ? "[]\n" : "\n]\n");
  out_.flush();
}

void ResultWriter::add_markdown(const ResultRow& row) {
  if (first_) {
    std::string rule;
    for (const auto& [heading, text] : row.cells) {
      out_ << "| " << padded(heading, column_width(heading)) << ' ';
      const std::string dashes(column_width(heading), '-');
      rule += rule.empty() ? "| " + dashes + " " : "| " + dashes + ":";
    }
    out_ << "|\n" << rule << "|\n";
  }
  for (const auto& [heading, text] : row.cells) {
    out_ << "| " << padded(text, column_width(heading)) << ' ';
  }
  out_ << "|\n";
}

void ResultWriter::add_csv(const ResultRow& row) {
  if (first_) out_ << join(csv_fields(row.record, true)) << '\n';
  out_ << join(csv_fields(row.record, false)) << '\n';
}

}  // namespace eet
