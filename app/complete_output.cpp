#include "app/complete_output.h"

#include <filesystem>
#include <iostream>
#include <string>

#include "app/exit_code.h"
#include "app/job/input/json_members.h"
#include "app/job/input/request_reader.h"
#include "app/job/output/result_file.h"
#include "lib/core/error.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

struct OutputRow {
  std::string id;
  bool failed = false;
};

OutputRow parse_output_row(const Line& line) {
  OutputRow row;
  for (const JsonMember& member : split_members(line.text, SIZE_MAX)) {
    if (member.key == "custom_id" || (member.key == "id" && row.id.empty()))
      row.id = member.raw_value;
    if (member.key == "error") row.failed = member.raw_value != "null";
  }
  return row;
}

class Comparison {
 public:
  explicit Comparison(const GenerateOptions& options)
      : options_(options),
        output_(options.output, RequestReader::kMaxLineBytes * 16),
        input_(options.inputs, options.row_defaults(), options.input_options) {}

  // The exit code, or nothing where failed rows are to be tried again.
  std::optional<int> run() {
    uint64_t rows = 0;
    uint64_t failed = 0;
    for (std::optional<InputRow> row = input_.next(); row; row = input_.next()) {
      const std::optional<Line> line = output_.next();
      if (!line) refuse(concat("it has ", rows, " rows, and the input more"));
      const OutputRow done = parse(*line);
      const bool same = options_.safety.order == OutputOrder::kCompletion || done.id == row->id;
      if (!same)
        refuse(concat("its row ", rows + 1, " has the id ", done.id, ", the input's ", row->id));
      ++rows;
      failed += done.failed ? 1 : 0;
    }
    if (output_.next()) refuse(concat("it has more than the ", rows, " rows of the input"));
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
  OutputRow parse(const Line& line) const {
    try {
      return parse_output_row(line);
    } catch (const BadRow& bad) {
      refuse(concat("line ", line.number, ": ", bad.row_error().message));
    }
  }

  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error(concat(options_.output,
                       ": --resume found no journal, and an output that is not this "
                       "job's: ",
                       reason, "; --overwrite replaces it"));
  }

  const GenerateOptions& options_;
  LineReader output_;
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
