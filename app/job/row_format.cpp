#include "app/job/row_format.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "lib/core/error.h"

namespace eet {
namespace {

// JSON text of a string; bytes that are not UTF-8 become U+FFFD.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append_number(std::string& out, float value) {
  if (!std::isfinite(value)) {  // JSON has no such numbers
    out += "null";
    return;
  }
  char digits[32];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

void append_number(std::string& out, int32_t value) {
  out += std::to_string(value);
}

template <typename T>
void append_list(std::string& out, const char* key, const std::vector<T>& values) {
  out.append(",\"").append(key).append("\":[");
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    append_number(out, values[i]);
  }
  out += ']';
}

}  // namespace

std::string format_row(const Completion& completion, const OutputFormat& format) {
  std::string out = "{\"id\":" + completion.id + ",\"text\":" + quoted(completion.text);
  if (format.token_ids) append_list(out, "token_ids", completion.token_ids);
  if (format.logprobs) append_list(out, "logprobs", completion.logprobs);
  const auto completion_tokens = static_cast<int64_t>(completion.token_ids.size());
  out += concat(",\"finish_reason\":\"", finish_name(completion.finish),
                "\",\"usage\":{\"prompt_tokens\":", completion.prompt_tokens,
                ",\"completion_tokens\":", completion_tokens,
                ",\"total_tokens\":", completion.prompt_tokens + completion_tokens, "},\"error\":");
  if (completion.error) {
    out += concat("{\"code\":", quoted(completion.error->code),
                  ",\"message\":", quoted(completion.error->message), "}");
  } else {
    out += "null";
  }
  return out + completion.extra + "}\n";
}

}  // namespace eet
