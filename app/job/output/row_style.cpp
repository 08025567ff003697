#include "app/job/output/row_style.h"

namespace eet {

std::span<const std::string_view> output_fields(RowStyle style) {
  static constexpr std::string_view kSimple[] = {
      "id",      "text",  "token_ids", "logprobs", "top_logprobs", "finish_reason",
      "choices", "usage", "error",     "truncated"};
  static constexpr std::string_view kOpenAi[] = {"id", "custom_id", "response", "error"};
  static constexpr std::string_view kScore[] = {
      "id", "log_likelihood", "perplexity", "is_greedy", "token_ids", "logprobs", "usage", "error"};
  switch (style) {
    case RowStyle::kOpenAi:
      return kOpenAi;
    case RowStyle::kScore:
      return kScore;
    default:
      return kSimple;
  }
}

bool is_optional_output_field(std::string_view name) {
  return name == "token_ids" || name == "logprobs" || name == "top_logprobs" || name == "choices" ||
         name == "truncated";
}

}  // namespace eet
