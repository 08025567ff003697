// A row of the output as text: one JSON object a line.
#pragma once

#include <optional>
#include <string>

#include "app/job/output/completion.h"
#include "app/job/output/row_style.h"
#include "app/job/output/row_table.h"

namespace eet {

struct OutputFormat {
  bool token_ids = false;
  RowStyle style = RowStyle::kSimple;
  std::string model = {};                 // of response bodies, where the row names none
  std::optional<TableFormat> table = {};  // what becomes of the rows that format_row() gives
};

// One row with its "\n", valid UTF-8, the same fields for good and bad rows of a style. It depends
// on the row alone, not on when it ran, but for `created` in OpenAI's style, where ids are made of
// the row's index. There `response.body` is a text_completion or, for rows of messages, a
// chat.completion, and null where the row has an error.
std::string format_row(const Completion& completion, const OutputFormat& format);

}  // namespace eet
