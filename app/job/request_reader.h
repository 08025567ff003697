// Rows of the input, one JSON object a line, as requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/job/line_reader.h"
#include "lib/core/error.h"
#include "lib/sampling/sampling_params.h"

namespace eet {

// What a row is given where it says nothing itself.
struct RowDefaults {
  SamplingParams params;
  std::vector<std::string> stop;
  // Of the whole job: a row may name them, but not differ.
  bool logprobs = false;
  bool echo = false;
};

// One row of the input. A row that cannot run has `error` and still takes its place in the output.
struct InputRow {
  uint64_t row = 0;         // index among the rows of the job: names its random stream
  uint64_t line = 0;        // in the input, from 1
  int64_t input_bytes = 0;  // of its line
  std::string id;           // JSON text: the row's own id, or its line number
  std::string extra;        // JSON text of the fields that pass through: ,"key":value for each
  std::optional<std::string> prompt;  // text, still to be tokenized into prompt_ids
  std::vector<int32_t> prompt_ids;
  SamplingParams params;
  std::vector<std::string> stop;
  std::optional<RowError> error;

  // Marks the row as bad; the message gets the line's number in front.
  void fail(RowError reason);
};

// Parses one line. Known fields: id, prompt or prompt_token_ids (which wins when both are there),
// and the parameters that the README lists; null is as good as absent. A parameter that is known
// but not supported must have its neutral value (n: 1, stream: false). All other fields pass
// through, except those named like fields of the output. Error codes: invalid_json, duplicate_key,
// invalid_id, missing_prompt, invalid_prompt, invalid_parameter, unsupported_parameter. Ranges of
// good types are Engine::check's business.
InputRow parse_row(std::string_view text, uint64_t line_number, const RowDefaults& defaults);

class RequestReader {
 public:
  static constexpr size_t kMaxLineBytes = size_t{64} << 20;

  // `path` "-" is standard input. Throws Error when it cannot be read.
  RequestReader(const std::string& path, RowDefaults defaults,
                size_t max_line_bytes = kMaxLineBytes);

  // The next row, good or bad; nothing at the end. Blank lines are no rows. A line longer than the
  // limit is a bad row (line_too_long) and is never held in memory.
  std::optional<InputRow> next();

  // Ends the input, also for a thread that waits in next().
  void cancel() { lines_.cancel(); }

  const LineReader& lines() const { return lines_; }

 private:
  LineReader lines_;
  RowDefaults defaults_;
  size_t max_line_bytes_;
  uint64_t rows_ = 0;
};

}  // namespace eet
