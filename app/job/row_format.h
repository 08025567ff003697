// A row of the output as text: one JSON object a line.
#pragma once

#include <string>

#include "app/job/completion.h"

namespace eet {

struct OutputFormat {
  bool token_ids = false;
  bool logprobs = false;
};

// One row: {"id","text","token_ids"?,"logprobs"?,"finish_reason","usage","error", what passes
// through}, the same fields for good and bad rows, valid UTF-8, with "\n".
std::string format_row(const Completion& completion, const OutputFormat& format);

}  // namespace eet
