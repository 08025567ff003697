#include "app/complete_output.h"

#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "app/exit_code.h"
#include "app/job/input/csv_reader.h"
#include "app/job/input/json_members.h"
#include "app/job/input/request_reader.h"
#include "app/job/output/result_file.h"
#include "app/job/output/row_table.h"
#include "lib/core/error.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

struct OutputRow {
  std::string id;
  bool failed = false;
};

// The rows of an output, in whatever form the job writes it.
class OutputReader {
 public:
  explicit OutputReader(const GenerateOptions& options)
      : lines_(options.output, kMaxRowBytes), is_table_(options.format.table.has_value()) {
    if (!is_table_) return;
    records_.emplace(lines_, options.format.table->delimiter, kMaxRowBytes);
    const std::optional<CsvRecord> header = records_->next(std::nullopt);
    if (header) columns_ = header->cells;
  }

  // Nothing at the end. Throws BadRow when the row is none.
  std::optional<OutputRow> next() {
    if (is_table_) return next_record();
    const std::optional<Line> line = lines_.next();
    if (!line) return std::nullopt;
    OutputRow row;
    for (const JsonMember& member : split_members(line->text, SIZE_MAX)) {
      if (member.key == "custom_id" || (member.key == "id" && row.id.empty()))
        row.id = member.raw_value;
      if (member.key == "error") row.failed = member.raw_value != "null";
    }
    return row;
  }

  // What next() gives for the id of a row of the input.
  std::string shown(const std::string& id) const { return is_table_ ? cell_text(id) : id; }

 private:
  static constexpr size_t kMaxRowBytes = RequestReader::kMaxLineBytes * 16;

  std::optional<OutputRow> next_record() {
    const std::optional<CsvRecord> record = records_->next(columns_.size());
    if (!record) return std::nullopt;
    if (record->error) throw BadRow(*record->error);
    OutputRow row;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i] == "id") row.id = record->cells[i];
      if (columns_[i] == "error") row.failed = !record->cells[i].empty();
    }
    return row;
  }

  LineReader lines_;
  bool is_table_;
  std::optional<CsvReader> records_;
  std::vector<std::string> columns_;
};

class Comparison {
 public:
  explicit Comparison(const GenerateOptions& options)
      : options_(options),
        output_(options),
        input_(options.inputs, options.row_defaults(), options.input_options) {}

  // The exit code, or nothing where failed rows are to be tried again.
  std::optional<int> run() {
    uint64_t rows = 0;
    uint64_t failed = 0;
    for (std::optional<InputRow> row = input_.next(); row; row = input_.next()) {
      const std::optional<OutputRow> done = next_done(rows);
      if (!done) refuse(concat("it has ", rows, " rows, and the input more"));
      const std::string id = output_.shown(row->id);
      const bool same = options_.safety.order == OutputOrder::kCompletion || done->id == id;
      if (!same)
        refuse(concat("its row ", rows + 1, " has the id ", done->id, ", the input's ", id));
      ++rows;
      failed += done->failed ? 1 : 0;
    }
    if (next_done(rows)) refuse(concat("it has more than the ", rows, " rows of the input"));
    if (failed > 0 && options_.safety.retry_errors) {
      std::cerr << options_.output << ": complete already, but " << failed << " of its " << rows
                << " rows failed: the job runs again\n";
      return std::nullopt;
    }
    std::cerr << options_.output << ": complete already, " << rows << " rows, " << failed
              << " of them failed: nothing to resume; --overwrite runs the job again"
              << (failed > 0 ? ", and so does --resume --retry-errors" : "") << "\n";
    return failed > 0 ? kExitFailedRows : kExitOk;
  }

 private:
  std::optional<OutputRow> next_done(uint64_t rows_before) {
    try {
      return output_.next();
    } catch (const BadRow& bad) {
      refuse(concat("its row ", rows_before + 1, ": ", bad.row_error().message));
    }
  }

  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error(concat(options_.output,
                       ": --resume found no journal, and an output that is not this "
                       "job's: ",
                       reason, "; --overwrite replaces it"));
  }

  const GenerateOptions& options_;
  OutputReader output_;
  RequestReader input_;
};

}  // namespace

std::optional<int> exit_code_of_complete_output(const GenerateOptions& options) {
  if (!options.safety.resume || !is_file_or_absent(options.output)) return std::nullopt;
  std::error_code error;
  const uintmax_t bytes = fs::file_size(options.output, error);
  if (error || bytes == 0 || fs::exists(journal_path(options.output))) return std::nullopt;
  return Comparison(options).run();
}

}  // namespace eet
