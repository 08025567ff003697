#include "app/job/input/row_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <type_traits>
#include <vector>

#include "lib/core/error.h"

namespace eet {
namespace {

// JSON text of a string; bytes that are not UTF-8 become U+FFFD.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <typename Float>
requires std::is_floating_point_v<Float> std::string number(Float value) {
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
  return concat("{\"prompt_tokens\":", completion.prompt_tokens,
                ",\"completion_tokens\":", completion.completion_tokens,
                ",\"total_tokens\":", completion.prompt_tokens + completion.completion_tokens, "}");
}

std::string error_text(const Completion& completion) {
  if (!completion.error) return "null";
  return concat("{\"code\":", quoted(completion.error->code),
                ",\"message\":", quoted(completion.error->message), "}");
}

const char* truncated_field(const Completion& completion) {
  return completion.truncated ? ",\"truncated\":true" : "";
}

// What choices of a row have beside their text.
struct ChoiceFields {
  bool token_ids = false;
  bool logprobs = false;
  bool top = false;
};

// The text of a token: its bytes, or where there is no tokenizer its id, as with vLLM's
// return_tokens_as_token_ids.
std::string token_name(int32_t id, const std::string* bytes) {
  return bytes == nullptr ? concat("\"token_id:", id, "\"") : quoted(*bytes);
}

// Null where there is no tokenizer.
const std::string* bytes_of(const Choice& choice, size_t index) {
  return choice.token_bytes.empty() ? nullptr : &choice.token_bytes[index];
}
const std::string* bytes_of(const Choice& choice, const TopToken& token) {
  return choice.token_bytes.empty() ? nullptr : &token.bytes;
}

// [[{"token_id", "token", "logprob"}, ...], ...]
std::string simple_top(const Choice& choice) {
  return list(choice.top.size(), [&](size_t i) {
    const std::vector<TopToken>& top = choice.top[i];
    return list(top.size(), [&](size_t j) {
      return concat("{\"token_id\":", top[j].token_id,
                    ",\"token\":", token_name(top[j].token_id, bytes_of(choice, top[j])),
                    ",\"logprob\":", number(top[j].logprob), "}");
    });
  });
}

std::string token_fields(const Choice& choice, ChoiceFields fields) {
  std::string out;
  if (fields.token_ids) out += ",\"token_ids\":" + list(choice.token_ids);
  if (fields.logprobs) out += ",\"logprobs\":" + list(choice.logprobs);
  if (fields.top) out += ",\"top_logprobs\":" + simple_top(choice);
  return out;
}

std::string choice_fields(const Choice& choice, ChoiceFields fields) {
  return concat("\"text\":", quoted(choice.text), token_fields(choice, fields),
                ",\"finish_reason\":\"", finish_name(choice.finish), "\"");
}

// "[a,b,c]" with what `text_of(choice, index)` gives for each of the row's choices; "[]" where it
// has an error.
template <typename TextOf>
std::string choice_list(const Completion& completion, TextOf text_of) {
  if (completion.error) return "[]";
  return list(completion.other_choices.size() + 1, [&](size_t i) {
    return text_of(i == 0 ? completion : completion.other_choices[i - 1], i);
  });
}

std::string simple_row(const Completion& completion, const OutputFormat& format) {
  const ChoiceFields fields = {format.token_ids, completion.has_logprobs, completion.has_top};
  std::string out = "{\"id\":" + completion.id + "," + choice_fields(completion, fields);
  if (completion.num_choices > 1) {
    out += ",\"choices\":" + choice_list(completion, [&](const Choice& choice, size_t index) {
             return concat("{\"index\":", index, ",", choice_fields(choice, fields), "}");
           });
  }
  out += concat(",\"usage\":", usage(completion), ",\"error\":", error_text(completion),
                truncated_field(completion));
  return out + completion.extra + "}\n";
}

std::string score_row(const Completion& completion, const OutputFormat& format) {
  std::string out = "{\"id\":" + completion.id;
  if (completion.error) {
    out += ",\"log_likelihood\":null,\"perplexity\":null,\"is_greedy\":null";
  } else {
    const std::vector<float>& logprobs = completion.logprobs;
    const double sum = std::accumulate(logprobs.begin(), logprobs.end(), 0.0);
    const double mean = sum / static_cast<double>(logprobs.size());
    out += concat(",\"log_likelihood\":", number(sum), ",\"perplexity\":", number(std::exp(-mean)),
                  ",\"is_greedy\":", completion.is_greedy ? "true" : "false");
  }
  const ChoiceFields fields = {format.token_ids, completion.has_logprobs};
  out += concat(token_fields(completion, fields), ",\"usage\":", usage(completion),
                ",\"error\":", error_text(completion));
  return out + completion.extra + "}\n";
}

// "token", "logprob" and "bytes" of a token of a chat.completion.
std::string chat_token(int32_t id, float logprob, const std::string* bytes) {
  std::string numbers = "null";
  if (bytes != nullptr) {
    numbers = list(bytes->size(),
                   [&](size_t i) { return std::to_string(static_cast<uint8_t>((*bytes)[i])); });
  }
  return concat("\"token\":", token_name(id, bytes), ",\"logprob\":", number(logprob),
                ",\"bytes\":", numbers);
}

std::string chat_top(const Choice& choice, size_t index) {
  if (choice.top.empty()) return "[]";
  const std::vector<TopToken>& top = choice.top[index];
  return list(top.size(), [&](size_t i) {
    return concat("{", chat_token(top[i].token_id, top[i].logprob, bytes_of(choice, top[i])), "}");
  });
}

// {"token": logprob, ...}: the likeliest, and behind them the token itself where it is none of
// them, as the API gives it. Of several tokens with one name, the likeliest.
std::string text_top(const Choice& choice, size_t index) {
  std::vector<std::string> names;
  std::string out = "{";
  const auto add = [&](const std::string& name, float logprob) {
    if (std::ranges::find(names, name) != names.end()) return;
    out.append(names.empty() ? "" : ",").append(name).append(":").append(number(logprob));
    names.push_back(name);
  };
  for (const TopToken& token : choice.top[index]) {
    add(token_name(token.token_id, bytes_of(choice, token)), token.logprob);
  }
  add(token_name(choice.token_ids[index], bytes_of(choice, index)), choice.logprobs[index]);
  return out + "}";
}

// Each token's place in the text that the tokens before it make, in characters.
std::string text_offsets(const Choice& choice) {
  size_t offset = 0;
  return list(choice.token_ids.size(), [&](size_t i) {
    const size_t here = offset;
    const auto& bytes = choice.token_bytes;
    if (!bytes.empty()) {
      offset += std::ranges::count_if(bytes[i], [](char c) { return (c & 0xC0) != 0x80; });
    }
    return std::to_string(here);
  });
}

std::string openai_logprobs(const Choice& choice, bool is_chat) {
  const size_t size = choice.token_ids.size();
  if (!is_chat) {
    const auto name = [&](size_t i) {
      return token_name(choice.token_ids[i], bytes_of(choice, i));
    };
    const std::string top =
        choice.top.empty() ? "null" : list(size, [&](size_t i) { return text_top(choice, i); });
    return concat("{\"tokens\":", list(size, name), ",\"token_logprobs\":", list(choice.logprobs),
                  ",\"top_logprobs\":", top, ",\"text_offset\":", text_offsets(choice), "}");
  }
  const std::string content = list(size, [&](size_t i) {
    return concat("{", chat_token(choice.token_ids[i], choice.logprobs[i], bytes_of(choice, i)),
                  ",\"top_logprobs\":", chat_top(choice, i), "}");
  });
  return concat("{\"content\":", content, "}");
}

std::string openai_choice(const Choice& choice, size_t index, const Completion& completion,
                          const OutputFormat& format) {
  const std::string text = quoted(choice.text);
  std::string out = concat("{\"index\":", index, ",");
  out += completion.is_chat ? concat("\"message\":{\"role\":\"assistant\",\"content\":", text, "}")
                            : concat("\"text\":", text);
  out += concat(",\"logprobs\":",
                completion.has_logprobs ? openai_logprobs(choice, completion.is_chat) : "null",
                ",\"finish_reason\":\"", finish_name(choice.finish), "\"");
  if (format.token_ids) out += ",\"token_ids\":" + list(choice.token_ids);
  return out + "}";
}

std::string openai_response(const Completion& completion, const OutputFormat& format) {
  if (completion.error) return "null";
  const std::string choices = choice_list(completion, [&](const Choice& choice, size_t index) {
    return openai_choice(choice, index, completion, format);
  });
  const std::string model = completion.model.empty() ? quoted(format.model) : completion.model;
  return concat(
      "{\"status_code\":200,\"request_id\":\"req_", completion.row, "\",\"body\":{\"id\":\"",
      completion.is_chat ? "chatcmpl-" : "cmpl-", completion.row, "\",\"object\":\"",
      completion.is_chat ? "chat.completion" : "text_completion",
      "\",\"created\":", completion.created, ",\"model\":", model, ",\"choices\":", choices,
      ",\"usage\":", usage(completion), truncated_field(completion), "}}");
}

std::string openai_row(const Completion& completion, const OutputFormat& format) {
  return concat("{\"id\":\"batch_req_", completion.row, "\",\"custom_id\":", completion.id,
                ",\"response\":", openai_response(completion, format),
                ",\"error\":", error_text(completion), completion.extra, "}\n");
}

}  // namespace

std::string format_row(const Completion& completion, const OutputFormat& format) {
  switch (format.style) {
    case RowStyle::kOpenAi:
      return openai_row(completion, format);
    case RowStyle::kScore:
      return score_row(completion, format);
    default:
      return simple_row(completion, format);
  }
}

}  // namespace eet
