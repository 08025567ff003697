#include "app/job/row_format.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "lib/core/error.h"

namespace eet {
namespace {

// JSON text of a string; bytes that are not UTF-8 become U+FFFD.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string number(float value) {
  if (!std::isfinite(value)) return "null";  // JSON has no such numbers
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

std::string number(int32_t value) {
  return std::to_string(value);
}

// "[a,b,c]" with what `text_of(i)` gives for each of `size` items.
template <typename TextOf>
std::string list(size_t size, TextOf text_of) {
  std::string out = "[";
  for (size_t i = 0; i < size; ++i) {
    if (i > 0) out += ',';
    out += text_of(i);
  }
  return out + "]";
}

template <typename T>
std::string list(const std::vector<T>& values) {
  return list(values.size(), [&](size_t i) { return number(values[i]); });
}

std::string usage(const Completion& completion) {
  const auto completion_tokens = static_cast<int64_t>(completion.token_ids.size());
  return concat("{\"prompt_tokens\":", completion.prompt_tokens,
                ",\"completion_tokens\":", completion_tokens,
                ",\"total_tokens\":", completion.prompt_tokens + completion_tokens, "}");
}

std::string error_text(const Completion& completion) {
  if (!completion.error) return "null";
  return concat("{\"code\":", quoted(completion.error->code),
                ",\"message\":", quoted(completion.error->message), "}");
}

const char* truncated_field(const Completion& completion) {
  return completion.truncated ? ",\"truncated\":true" : "";
}

std::string simple_row(const Completion& completion, const OutputFormat& format) {
  std::string out = "{\"id\":" + completion.id + ",\"text\":" + quoted(completion.text);
  if (format.token_ids) out += ",\"token_ids\":" + list(completion.token_ids);
  if (format.logprobs) out += ",\"logprobs\":" + list(completion.logprobs);
  out += concat(",\"finish_reason\":\"", finish_name(completion.finish),
                "\",\"usage\":", usage(completion), ",\"error\":", error_text(completion),
                truncated_field(completion));
  return out + completion.extra + "}\n";
}

std::string token_name(int32_t id) {
  return concat("\"token_id:", id, "\"");
}

std::string openai_logprobs(const Completion& completion) {
  const std::vector<int32_t>& ids = completion.token_ids;
  if (!completion.is_chat) {
    return concat("{\"tokens\":", list(ids.size(), [&](size_t i) { return token_name(ids[i]); }),
                  ",\"token_logprobs\":", list(completion.logprobs), "}");
  }
  const std::string content = list(ids.size(), [&](size_t i) {
    return concat("{\"token\":", token_name(ids[i]),
                  ",\"logprob\":", number(completion.logprobs[i]),
                  ",\"bytes\":null,\"top_logprobs\":[]}");
  });
  return concat("{\"content\":", content, "}");
}

std::string openai_choice(const Completion& completion, const OutputFormat& format) {
  const std::string text = quoted(completion.text);
  std::string out = "{\"index\":0,";
  out += completion.is_chat ? concat("\"message\":{\"role\":\"assistant\",\"content\":", text, "}")
                            : concat("\"text\":", text);
  out += concat(",\"logprobs\":", format.logprobs ? openai_logprobs(completion) : "null",
                ",\"finish_reason\":\"", finish_name(completion.finish), "\"");
  if (format.token_ids) out += ",\"token_ids\":" + list(completion.token_ids);
  return out + "}";
}

std::string openai_response(const Completion& completion, const OutputFormat& format) {
  if (completion.error) return "null";
  const std::string model = completion.model.empty() ? quoted(format.model) : completion.model;
  return concat(
      "{\"status_code\":200,\"request_id\":\"req_", completion.row, "\",\"body\":{\"id\":\"",
      completion.is_chat ? "chatcmpl-" : "cmpl-", completion.row, "\",\"object\":\"",
      completion.is_chat ? "chat.completion" : "text_completion",
      "\",\"created\":0,\"model\":", model, ",\"choices\":[", openai_choice(completion, format),
      "],\"usage\":", usage(completion), truncated_field(completion), "}}");
}

std::string openai_row(const Completion& completion, const OutputFormat& format) {
  return concat("{\"id\":\"batch_req_", completion.row, "\",\"custom_id\":", completion.id,
                ",\"response\":", openai_response(completion, format),
                ",\"error\":", error_text(completion), "}\n");
}

}  // namespace

std::string format_row(const Completion& completion, const OutputFormat& format) {
  return format.style == RowStyle::kOpenAi ? openai_row(completion, format)
                                           : simple_row(completion, format);
}

}  // namespace eet
