#include "app/job/input/row_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "app/job/input/csv_reader.h"
#include "app/job/input/json_array_rows.h"
#include "app/job/input/row_fields.h"
#include "app/job/input/row_limits.h"
#include "app/job/input/row_parameters.h"
#include "lib/core/error.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

using nlohmann::json;

// The next line that is not blank.
std::optional<Line> next_line(LineReader& lines) {
  constexpr std::string_view kWhiteSpace = " \t\r";
  std::optional<Line> line = lines.next();
  while (line && !line->too_long &&
         line->text.find_first_not_of(kWhiteSpace) == std::string_view::npos) {
    line = lines.next();
  }
  return line;
}

// Of the `number`-th row, from 1, of one input, as lines or elements are counted.
RowPlace place_of(uint64_t line, uint64_t number, const RowSettings& settings) {
  RowPlace place(line);
  place.number = settings.first_number + number;
  place.file = settings.file;
  return place;
}

RowPlace place_of(uint64_t line, const RowSettings& settings) {
  return place_of(line, line, settings);
}

// A row that has nothing but its place.
InputRow bad_row(RowPlace place, const RowSettings& settings, RowError error) {
  InputRow row = parse_plain_row("{}", std::move(place), settings.defaults, settings.prompts);
  row.fail(std::move(error));
  return row;
}

// The number of lines that have been read.
uint64_t count_lines(const LineReader& lines) {
  return lines.line_number() - 1;
}

RowError too_long(const RowSettings& settings, int64_t bytes) {
  return {"line_too_long",
          concat("expected at most ", settings.max_line_bytes, " bytes, got ", bytes)};
}

// Of text that a row holds as JSON, where control characters take six bytes.
RowError too_long_as_json(const RowSettings& settings) {
  return {"line_too_long",
          concat("expected at most ", settings.max_line_bytes, " bytes as JSON, got more")};
}

InputRow too_long_row(const Line& line, const RowSettings& settings) {
  return bad_row(place_of(line.number, settings), settings, too_long(settings, line.bytes));
}

class JsonRows : public RowReader {
 public:
  JsonRows(LineReader& lines, const RowSettings& settings) : lines_(lines), settings_(settings) {}

  std::optional<InputRow> next() override {
    const std::optional<Line> line = next_line(lines_);
    if (!line) return std::nullopt;
    InputRow row = line->too_long ? too_long_row(*line, settings_)
                                  : parse_row(line->text, place_of(line->number, settings_),
                                              settings_.defaults, settings_.prompts);
    row.input_bytes = line->bytes;
    return row;
  }

  bool skip() override { return next_line(lines_).has_value(); }
  uint64_t count() const override { return count_lines(lines_); }

 private:
  LineReader& lines_;
  RowSettings settings_;
};

class JsonArrayRows : public RowReader {
 public:
  JsonArrayRows(LineReader& lines, const RowSettings& settings)
      : elements_(lines, settings.max_line_bytes), settings_(settings) {}

  std::optional<InputRow> next() override {
    const std::optional<JsonArrayReader::Element> element = elements_.next();
    if (!element) return std::nullopt;
    RowPlace place = place_of(element->line, ++count_, settings_);
    InputRow row =
        element->too_long
            ? bad_row(std::move(place), settings_, too_long(settings_, element->bytes))
            : parse_row(element->text, std::move(place), settings_.defaults, settings_.prompts);
    row.input_bytes = element->bytes;
    return row;
  }

  bool skip() override {
    const bool skipped = elements_.next().has_value();
    count_ += skipped ? 1 : 0;
    return skipped;
  }
  uint64_t count() const override { return count_; }

 private:
  JsonArrayReader elements_;
  RowSettings settings_;
  uint64_t count_ = 0;  // of elements: their lines may all be the same
};

// JSON lines or an array, as the first bytes tell. Reading those may wait for a pipe, so it is not
// the constructor's business.
class AnyJsonRows : public RowReader {
 public:
  AnyJsonRows(LineReader& lines, const RowSettings& settings)
      : lines_(lines), settings_(settings) {}

  std::optional<InputRow> next() override { return rows().next(); }
  bool skip() override { return rows().skip(); }
  uint64_t count() const override { return rows_ ? rows_->count() : 0; }

 private:
  RowReader& rows() {
    if (!rows_ && JsonArrayReader::is_next(lines_)) {
      rows_ = std::make_unique<JsonArrayRows>(lines_, settings_);
    } else if (!rows_) {
      rows_ = std::make_unique<JsonRows>(lines_, settings_);
    }
    return *rows_;
  }

  LineReader& lines_;
  RowSettings settings_;
  std::unique_ptr<RowReader> rows_;
};

class TextRows : public RowReader {
 public:
  TextRows(LineReader& lines, const RowSettings& settings)
      : lines_(lines), settings_(settings), key_(json(settings.prompts.column).dump()) {}

  std::optional<InputRow> next() override {
    const std::optional<Line> line = next_line(lines_);
    if (!line) return std::nullopt;
    InputRow row = parse(*line);
    row.input_bytes = line->bytes;
    return row;
  }

  bool skip() override { return next_line(lines_).has_value(); }
  uint64_t count() const override { return count_lines(lines_); }

 private:
  InputRow parse(const Line& line) const {
    if (line.too_long) return too_long_row(line, settings_);
    if (!is_utf8(line.text)) {
      return bad_row(place_of(line.number, settings_), settings_,
                     {"invalid_prompt", "expected text in UTF-8"});
    }
    if (json_bytes(line.text) > settings_.max_line_bytes) {
      return bad_row(place_of(line.number, settings_), settings_, too_long_as_json(settings_));
    }
    return parse_plain_row("{" + key_ + ":" + json(line.text).dump() + "}",
                           place_of(line.number, settings_), settings_.defaults, settings_.prompts);
  }

  LineReader& lines_;
  RowSettings settings_;
  std::string key_;  // JSON text
};

class TableRows : public RowReader {
 public:
  TableRows(LineReader& lines, char delimiter, const RowSettings& settings)
      : lines_(lines), settings_(settings), records_(lines, delimiter, settings.max_line_bytes) {
    lines.end_lines_at_cr();
    if (delimiter == ',') find_delimiter();
    const std::optional<CsvRecord> header = records_.next(std::nullopt);
    if (!header) return;
    if (header->error) {
      throw Error(concat(lines.name(), ": line ", header->line, ": ", header->error->message));
    }
    check_header(header->cells, concat(lines.name(), ": line ", header->line, ": "));
    for (const std::string& name : header->cells) columns_.push_back(make_column(name));
  }

  std::optional<InputRow> next() override {
    const std::optional<CsvRecord> record = records_.next(columns_.size());
    if (!record) return std::nullopt;
    InputRow row = parse(*record);
    row.input_bytes = record->bytes;
    return row;
  }

  bool skip() override { return records_.next(columns_.size()).has_value(); }
  uint64_t count() const override { return count_lines(lines_); }

 private:
  struct Column {
    std::string key;   // JSON text
    bool may_be_json;  // instead of text
    bool may_be_list;  // of text
    bool null_when_empty;
  };

  Column make_column(const std::string& name) const {
    const bool is_prompt = name == settings_.prompts.column;
    const bool is_list =
        name == "prompt_token_ids" || name == "messages" || name == "completion_token_ids";
    const bool is_parameter = eet::is_parameter(name);
    return {json(name).dump(),
            !is_prompt && (is_list || (is_parameter && !is_text_parameter(name))),
            !is_prompt && is_text_parameter(name),
            !is_prompt && (is_list || is_parameter || name == "id")};
  }

  // Excel writes semicolons where the comma is in numbers: any of these that makes the prompt's
  // columns of the first record is the delimiter.
  void find_delimiter() {
    if (records_.take_noted_delimiter()) return;
    for (const char delimiter : {',', ';', '\t', '|'}) {
      if (!have_prompt(records_.peek(delimiter))) continue;
      records_.set_delimiter(delimiter);
      return;
    }
  }

  bool have_prompt(const std::vector<std::string>& names) const {
    const auto has = [&](std::string_view name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    const PromptOptions& prompts = settings_.prompts;
    if (prompts.prompt_template) return std::ranges::all_of(prompts.prompt_template->fields(), has);
    return has(prompts.column) || has("prompt_token_ids") || has("messages");
  }

  void check_header(const std::vector<std::string>& names, const std::string& place) const {
    std::unordered_set<std::string_view> seen;
    for (const std::string& name : names) {
      require(is_utf8(name), place, "expected names of columns in UTF-8");
      require(seen.insert(name).second, place, "the column \"", name, "\" is there twice");
    }
    const auto has = [&](std::string_view name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    const PromptOptions& prompts = settings_.prompts;
    if (prompts.prompt_template) {
      for (const std::string& field : prompts.prompt_template->fields()) {
        require(has(field), place, "expected a column \"", field,
                "\" for the prompt template, got none");
      }
    } else {
      require(have_prompt(names), place, "expected a column \"", prompts.column, "\", got ",
              listed(names),
              "; name the prompt's with --prompt-column, or build it with --prompt-template");
    }
  }

  InputRow parse(const CsvRecord& record) const {
    RowPlace place = place_of(record.line, settings_);
    if (record.error) return bad_row(std::move(place), settings_, *record.error);
    std::string object = "{";
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (!is_utf8(record.cells[i])) {
        return bad_row(std::move(place), settings_,
                       {"invalid_csv", concat("cell ", i + 1, ": expected text in UTF-8")});
      }
      if (object.size() + json_bytes(record.cells[i]) > settings_.max_line_bytes) {
        return bad_row(std::move(place), settings_, too_long_as_json(settings_));
      }
      if (i > 0) object += ',';
      object.append(columns_[i].key).append(":").append(to_json(record.cells[i], columns_[i]));
    }
    object += '}';
    return parse_plain_row(object, std::move(place), settings_.defaults, settings_.prompts);
  }

  // The first columns, for a message.
  static std::string listed(const std::vector<std::string>& names) {
    constexpr size_t kMaxListed = 10;
    std::string list;
    for (size_t i = 0; i < std::min(names.size(), kMaxListed); ++i) {
      list.append(i > 0 ? ", " : "").append(shown(json(names[i]).dump()));
    }
    return names.size() > kMaxListed ? list + " and others" : list;
  }

  static bool is_list_of_text(const std::string& cell) {
    if (!cell.starts_with('[')) return false;
    const json list = json::parse(cell, /*cb=*/nullptr, /*allow_exceptions=*/false);
    return list.is_array() && !list.empty() &&
           std::ranges::all_of(list, [](const json& item) { return item.is_string(); });
  }

  static std::string to_json(const std::string& cell, const Column& column) {
    if (cell.empty() && column.null_when_empty) return "null";
    if (column.may_be_json && json::accept(cell)) return cell;
    if (column.may_be_list && is_list_of_text(cell)) return cell;
    if (column.may_be_json && cell == "True") return "true";  // as Python writes them
    if (column.may_be_json && cell == "False") return "false";
    if (column.may_be_json && is_one_of(cell, {"None", "nan", "NaN", "NULL"})) return "null";
    return json(cell).dump();
  }

  LineReader& lines_;
  RowSettings settings_;
  CsvReader records_;
  std::vector<Column> columns_;
};

}  // namespace

std::unique_ptr<RowReader> make_row_reader(InputFormat format, LineReader& lines,
                                           const RowSettings& settings) {
  switch (format) {
    case InputFormat::kText:
      return std::make_unique<TextRows>(lines, settings);
    case InputFormat::kCsv:
      return std::make_unique<TableRows>(lines, ',', settings);
    case InputFormat::kTsv:
      return std::make_unique<TableRows>(lines, '\t', settings);
    default:
      return std::make_unique<AnyJsonRows>(lines, settings);
  }
}

}  // namespace eet
