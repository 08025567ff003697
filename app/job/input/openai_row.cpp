#include "app/job/input/openai_row.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/job/input/chat_options.h"
#include "app/job/input/row_parameters.h"
#include "app/job/input/unsupported_parameters.h"

namespace eet {
namespace {

constexpr std::string_view kVersion = "/v1";

// "/chat/completions" of "https://api.openai.com/v1/chat/completions", "/v1/chat/completions" or,
// as Azure has it, "/chat/completions".
std::string_view endpoint_of(std::string_view url) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!url.starts_with(scheme)) continue;
    url.remove_prefix(scheme.size());
    url.remove_prefix(std::min(url.find('/'), url.size()));
    break;
  }
  if (url.starts_with(kVersion)) url.remove_prefix(kVersion.size());
  return url;
}

class OpenAiRow {
 public:
  OpenAiRow(InputRow& row, Members members, const RowDefaults& defaults)
      : row_(row), members_(members), defaults_(defaults) {}

  void parse() {
    take_identity();
    if (text_of("method", "invalid_method", "POST") != "POST") {
      Field(*find(members_, "method")).reject("invalid_method", "\"POST\"");
    }
    const std::vector<JsonMember> members = body();
    take_url(members);
    take_body(members);
  }

 private:
  void take_identity() {
    for (const JsonMember& member : members_) {
      if (is_one_of(member.key, {"custom_id", "method", "url", "body"})) continue;
      pass_through(row_, members_, member, defaults_.style);
    }
    take_id(row_, *find(members_, "custom_id"));
  }

  std::string text_of(std::string_view key, const char* code, std::string_view absent) const {
    const JsonMember* member = find(members_, key);
    if (member == nullptr) return std::string(absent);
    const Field field(*member);
    if (!field.value().is_string()) field.reject(code, "a string");
    return field.value().get<std::string>();
  }

  std::vector<JsonMember> body() const {
    const JsonMember* body = find(members_, "body");
    if (body == nullptr) throw BadRow({"invalid_body", "expected a field body, got none"});
    if (body->raw_value.front() != '{') Field(*body).reject("invalid_body", "an object");
    return split_members(body->raw_value);
  }

  void take_url(Members body) {
    constexpr std::string_view kCompletion = "/v1/completions";
    constexpr std::string_view kChat = "/v1/chat/completions";
    const bool has_messages = find(body, "messages") != nullptr;
    const std::string url = text_of("url", "invalid_url", has_messages ? kChat : kCompletion);
    const std::string_view endpoint = endpoint_of(url);
    row_.is_chat = endpoint == kChat.substr(kVersion.size());
    if (!row_.is_chat && endpoint != kCompletion.substr(kVersion.size())) {
      Field(*find(members_, "url")).reject("invalid_url", concat(kCompletion, " or ", kChat));
    }
  }

  void take_body(Members body) {
    for (const JsonMember& member : body) take_body_field(member);
    settle_parameters(row_, body);
    if (row_.echo && row_.logprobs && !row_.score_from) {
      throw BadRow({"unsupported_parameter",
                    "echo and logprobs: expected one of them, as tokens of the prompt have no "
                    "log-probabilities; `eet score` gives those"});
    }
    const std::string_view prompt_field = row_.is_chat ? "messages" : "prompt";
    const JsonMember* prompt = find(body, prompt_field);
    if (prompt == nullptr) {
      throw BadRow(
          {"missing_prompt", concat("body: expected a field ", prompt_field, ", got none")});
    }
    if (row_.is_chat) {
      set_messages(row_, *prompt);
    } else {
      set_prompt(row_, Field(*prompt));
    }
  }

  void take_body_field(const JsonMember& member) {
    const std::string_view key = member.key;
    if (is_null(member) || key == (row_.is_chat ? "messages" : "prompt")) return;
    if (is_chat_option(key)) {
      if (row_.is_chat || defaults_.chat) return take_chat_option(row_.chat, member);
      return refuse_chat_option(member);
    }
    if (is_special_tokens_option(key) && (row_.is_chat || defaults_.chat)) {
      return check_special_tokens_option(member);
    }
    if (take_parameter(row_, member) || is_without_influence(key)) return;
    const Field field(member);
    if (key == "model") {
      if (!field.value().is_string()) field.reject("invalid_parameter", "a string");
      row_.model = member.raw_value;
      return;
    }
    const std::string_view meant = misspelt_parameter(key);
    field.reject("unsupported_parameter", meant.empty()
                                              ? "(as no such parameter is known) nothing"
                                              : concat("(as no such parameter is known) ", meant));
  }

  InputRow& row_;
  Members members_;
  const RowDefaults& defaults_;
};

}  // namespace

bool is_openai_row(Members members) {
  return find(members, "custom_id") != nullptr &&
         std::ranges::any_of(members, [](const JsonMember& member) {
           return is_one_of(member.key, {"method", "url", "body"});
         });
}

void parse_openai_row(InputRow& row, Members members, const RowDefaults& defaults) {
  OpenAiRow(row, members, defaults).parse();
}

}  // namespace eet
