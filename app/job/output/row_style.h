// The forms of an output row, and the names that each of them takes.
#pragma once

#include <span>
#include <string_view>

namespace eet {

enum class RowStyle {
  kSimple,  // {"id", "text", "token_ids"?, "logprobs"?, "top_logprobs"?, "finish_reason",
            // "choices"?, "usage", "error", "truncated"?, what passes through}; with n > 1 all
            // choices, the first one, which the row itself has too, among them: {"index", "text",
            // "token_ids"?, "logprobs"?, "top_logprobs"?, "finish_reason"}
  kOpenAi,  // a line of OpenAI's batch output: {"id", "custom_id", "response", "error", what passes
            // through}
  kScore,   // {"id", "log_likelihood", "perplexity", "is_greedy", "token_ids"?, "logprobs"?,
            // "usage", "error", what passes through}, of a row that was scored
};

// The names of all fields that rows of `style` may have of their own, in their order.
std::span<const std::string_view> output_fields(RowStyle style);

// Whether rows have the field only where a flag or the row asks for it.
bool is_optional_output_field(std::string_view name);

}  // namespace eet
