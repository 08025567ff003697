#include "app/job/input/row_parser.h"

#include <algorithm>
#include <initializer_list>
#include <new>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "app/job/input/chat_messages.h"
#include "app/job/input/json_members.h"
#include "app/job/input/row_parameters.h"

namespace eet {
namespace {

using nlohmann::json;
using Members = std::span<const JsonMember>;

bool is_one_of(std::string_view key, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), key) != names.end();
}

bool is_output_field(std::string_view key) {
  return is_one_of(key, {"id", "text", "token_ids", "logprobs", "finish_reason", "choices", "usage",
                         "error", "truncated"});
}

bool is_score_field(std::string_view key) {
  return is_one_of(
      key, {"completion", "completion_token_ids", "log_likelihood", "perplexity", "is_greedy"});
}

// The member `key`; null where there is none or its value is null.
const JsonMember* find(Members members, std::string_view key) {
  for (const JsonMember& member : members) {
    if (member.key == key) return is_null(member) ? nullptr : &member;
  }
  return nullptr;
}

void take_id(InputRow& row, const JsonMember& member) {
  const char first = member.raw_value.front();
  if (first != '"' && first != '-' && (first < '0' || first > '9')) {
    Field(member).reject("invalid_id", "a string or a number");
  }
  row.id = member.raw_value;
}

void pass_through(InputRow& row, const JsonMember& member) {
  row.extra.append(",").append(member.raw_key).append(":").append(member.raw_value);
}

std::vector<int32_t> token_ids(const Field& field, const char* code) {
  if (!field.value().is_array()) field.reject(code, "a list of token ids");
  std::vector<int32_t> ids;
  ids.reserve(field.value().size());
  for (const json& id : field.value()) {
    if (!fits_int32(id)) {
      throw BadRow({code, concat(field.name(), "[", ids.size(), "]: expected a token id, got ",
                                 shown(id.dump()))});
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

void set_prompt(InputRow& row, const Field& field) {
  if (field.value().is_string()) {
    row.prompt = field.value().get<std::string>();
  } else if (field.value().is_array()) {
    row.prompt_ids = token_ids(field, "invalid_prompt");
  } else {
    field.reject("invalid_prompt", "a string or a list of token ids");
  }
}

void set_messages(InputRow& row, const JsonMember& member) {
  row.is_chat = true;
  row.messages = check_messages(Field(member));
}

// The text of a field for a template: a string's own, or the JSON of any other value.
std::optional<std::string> field_text(Members members, std::string_view name) {
  const JsonMember* member = find(members, name);
  if (member == nullptr) return std::nullopt;
  if (member->raw_value.front() != '"') return std::string(member->raw_value);
  return json::parse(member->raw_value).get<std::string>();
}

class PlainRow {
 public:
  PlainRow(InputRow& row, Members members, const RowDefaults& defaults,
           const PromptOptions& options)
      : row_(row), members_(members), defaults_(defaults), options_(options) {}

  void parse() {
    take_identity();
    check_max_tokens_once(members_);
    for (const JsonMember& member : members_) {
      if (member.key != options_.column) take_parameter(row_, member, defaults_);
    }
    take_prompt();
    if (options_.scored) take_completion();
  }

 private:
  bool is_prompt(std::string_view key) const {
    return key == options_.column || key == "prompt_token_ids" || key == "messages";
  }

  // Before all that can fail, so that also a row that turns out bad has them.
  void take_identity() {
    for (const JsonMember& member : members_) {
      const std::string_view key = member.key;
      if (is_prompt(key) || is_output_field(key) || is_parameter(key)) continue;
      if (options_.scored && is_score_field(key)) continue;
      pass_through(row_, member);
    }
    if (const JsonMember* id = find(members_, "id")) take_id(row_, *id);
  }

  // The member `key`, unless the user says that it is the prompt, whatever its name.
  const JsonMember* find_other(std::string_view key) const {
    return key == options_.column ? nullptr : find(members_, key);
  }

  void take_prompt() {
    const JsonMember* ids = find_other("prompt_token_ids");
    const JsonMember* messages = find_other("messages");
    const JsonMember* text = find(members_, options_.column);
    if (options_.scored && text == nullptr) text = find(members_, "text");
    if (options_.prompt_template) {
      refuse_beside(ids, "--prompt-template");
      refuse_beside(messages, "--prompt-template");
      row_.prompt = options_.prompt_template->render(
          [this](std::string_view name) { return field_text(members_, name); });
    } else if (messages != nullptr) {
      refuse_beside(ids, "messages");
      refuse_beside(text, "messages");
      set_messages(row_, *messages);
    } else if (ids != nullptr) {
      row_.prompt_ids = token_ids(Field(*ids), "invalid_prompt");
    } else if (text != nullptr) {
      set_prompt(row_, Field(*text));
    } else {
      throw BadRow({"missing_prompt", concat("expected a field ", options_.column,
                                             ", prompt_token_ids or messages, got none")});
    }
  }

  void take_completion() {
    const JsonMember* ids = find(members_, "completion_token_ids");
    const JsonMember* text = find(members_, "completion");
    row_.score_from = 1;
    if (ids != nullptr) {
      if (row_.prompt || row_.messages) {
        Field(*ids).reject("invalid_completion", "text in completion, as the prompt is text");
      }
      const std::vector<int32_t> completion = token_ids(Field(*ids), "invalid_completion");
      row_.score_from = static_cast<int32_t>(row_.prompt_ids.size());
      row_.prompt_ids.insert(row_.prompt_ids.end(), completion.begin(), completion.end());
    } else if (text != nullptr) {
      const Field field(*text);
      if (!field.value().is_string()) field.reject("invalid_completion", "a string");
      if (!row_.prompt && !row_.messages) {
        field.reject("invalid_completion", "completion_token_ids, as the prompt is token ids,");
      }
      row_.completion = field.value().get<std::string>();
    }
  }

  static void refuse_beside(const JsonMember* member, std::string_view other) {
    if (member == nullptr) return;
    throw BadRow(
        {"invalid_prompt", concat(member->key, " and ", other, " are both the prompt: give one")});
  }

  InputRow& row_;
  Members members_;
  const RowDefaults& defaults_;
  const PromptOptions& options_;
};

class OpenAiRow {
 public:
  OpenAiRow(InputRow& row, Members members, const RowDefaults& defaults)
      : row_(row), members_(members), defaults_(defaults) {}

  static bool is_one(Members members) {
    return find(members, "custom_id") != nullptr &&
           std::any_of(members.begin(), members.end(), [](const JsonMember& member) {
             return is_one_of(member.key, {"method", "url", "body"});
           });
  }

  void parse() {
    take_identity();
    if (text_of("method", "invalid_method") != "POST") {
      Field(*find(members_, "method")).reject("invalid_method", "\"POST\"");
    }
    take_url();
    take_body();
  }

 private:
  void take_identity() {
    for (const JsonMember& member : members_) {
      if (is_one_of(member.key, {"custom_id", "method", "url", "body"})) continue;
      if (!is_output_field(member.key)) pass_through(row_, member);
    }
    take_id(row_, *find(members_, "custom_id"));
  }

  const JsonMember& required(std::string_view key, const char* code) const {
    const JsonMember* member = find(members_, key);
    if (member == nullptr) throw BadRow({code, concat("expected a field ", key, ", got none")});
    return *member;
  }

  std::string text_of(std::string_view key, const char* code) const {
    const Field field(required(key, code));
    if (!field.value().is_string()) field.reject(code, "a string");
    return field.value().get<std::string>();
  }

  void take_url() {
    const std::string url = text_of("url", "invalid_url");
    row_.is_chat = url == "/v1/chat/completions";
    if (row_.is_chat || url == "/v1/completions") return;
    Field(*find(members_, "url")).reject("invalid_url", "/v1/completions or /v1/chat/completions");
  }

  void take_body() {
    const JsonMember& body = required("body", "invalid_body");
    if (body.raw_value.front() != '{') Field(body).reject("invalid_body", "an object");
    const std::vector<JsonMember> members = split_members(body.raw_value);
    check_max_tokens_once(members);
    for (const JsonMember& member : members) take_body_field(member);
    const std::string_view prompt_field = row_.is_chat ? "messages" : "prompt";
    const JsonMember* prompt = find(members, prompt_field);
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
    if (is_null(member) || take_parameter(row_, member, defaults_)) return;
    if (member.key == (row_.is_chat ? "messages" : "prompt")) return;
    if (member.key == "model") {
      const Field field(member);
      if (!field.value().is_string()) field.reject("invalid_parameter", "a string");
      row_.model = member.raw_value;
      return;
    }
    // Of no influence on the completion.
    if (is_one_of(member.key, {"user", "metadata", "store", "service_tier", "safety_identifier",
                               "prompt_cache_key"})) {
      return;
    }
    Field(member).reject("unsupported_parameter", "(as no such parameter is known) nothing");
  }

  InputRow& row_;
  Members members_;
  const RowDefaults& defaults_;
};

bool is_trtllm(Members members) {
  return find(members, "task_id") != nullptr &&
         (find(members, "output_tokens") != nullptr || find(members, "input_ids") != nullptr);
}

// A trtllm-bench row becomes a plain one by other names.
void rename_trtllm(std::vector<JsonMember>& members) {
  for (JsonMember& member : members) {
    if (member.key == "task_id") member.key = "id";
    if (member.key == "input_ids") member.key = "prompt_token_ids";
    if (member.key == "output_tokens") member.key = "max_tokens";
  }
}

enum class Forms { kPlain, kAny };

void parse_members(InputRow& row, std::vector<JsonMember> members, const RowDefaults& defaults,
                   const PromptOptions& options, Forms forms) {
  const bool may_differ = forms == Forms::kAny && !options.prompt_template && !options.scored;
  if (may_differ && OpenAiRow::is_one(members)) {
    OpenAiRow(row, members, defaults).parse();
    return;
  }
  if (may_differ && is_trtllm(members)) {
    rename_trtllm(members);
    row.params.ignore_eos = true;
  }
  PlainRow(row, members, defaults, options).parse();
}

InputRow parse(std::string_view text, uint64_t line_number, const RowDefaults& defaults,
               const PromptOptions& options, Forms forms) {
  InputRow row;
  row.line = line_number;
  row.id = std::to_string(line_number);
  row.params = defaults.params;
  row.stop = defaults.stop;
  try {
    parse_members(row, split_members(text), defaults, options, forms);
  } catch (const BadRow& bad) {
    row.fail(bad.row_error());
  } catch (const std::bad_alloc&) {
    row.fail(out_of_memory());
  }
  return row;
}

}  // namespace

void InputRow::fail(RowError reason) {
  reason.message = concat("line ", line, ": ", reason.message);
  error = std::move(reason);
}

InputRow parse_row(std::string_view text, uint64_t line_number, const RowDefaults& defaults,
                   const PromptOptions& options) {
  return parse(text, line_number, defaults, options, Forms::kAny);
}

InputRow parse_plain_row(std::string_view text, uint64_t line_number, const RowDefaults& defaults,
                         const PromptOptions& options) {
  return parse(text, line_number, defaults, options, Forms::kPlain);
}

}  // namespace eet
