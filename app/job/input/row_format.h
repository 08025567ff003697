// A row of the output as text: one JSON object a line.
#pragma once

#include <string>

#include "app/job/output/completion.h"

namespace eet {

enum class RowStyle {
  kSimple,  // {"id", "text", "token_ids"?, "logprobs"?, "finish_reason", "choices"?, "usage",
            // "error", "truncated"?, what passes through}; with n > 1 all choices, the first one,
            // which the row itself has too, among them: {"index", "text", "token_ids"?,
            // "logprobs"?, "finish_reason"}
  kOpenAi,  // a line of OpenAI's batch output: {"id", "custom_id", "response", "error"}
  kScore,   // {"id", "log_likelihood", "perplexity", "is_greedy", "token_ids"?, "logprobs"?,
            // "usage", "error", what passes through}, of a row that was scored
};

struct OutputFormat {
  bool token_ids = false;
  bool logprobs = false;
  RowStyle style = RowStyle::kSimple;
  std::string model = {};  // of response bodies, where the row names none
};

// One row with its "\n", valid UTF-8, the same fields for good and bad rows of a style. It depends
// on the row alone, not on when it ran: in OpenAI's style `created` is 0 and ids are made of the
// row's index. There `response.body` is a text_completion or, for rows of messages, a
// chat.completion, and null where the row has an error; tokens are named "token_id:N" as with
// vLLM's return_tokens_as_token_ids; no fields pass through.
std::string format_row(const Completion& completion, const OutputFormat& format);

}  // namespace eet
