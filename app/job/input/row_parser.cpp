#include "app/job/input/row_parser.h"

#include <algorithm>
#include <initializer_list>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/job/input/chat_options.h"
#include "app/job/input/json_members.h"
#include "app/job/input/openai_row.h"
#include "app/job/input/row_fields.h"
#include "app/job/input/row_parameters.h"

namespace eet {
namespace {

using nlohmann::json;

bool is_score_field(std::string_view key) {
  return is_one_of(key, {"completion", "completion_token_ids"});
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
    const std::optional<BadRow> refused = settle_system_prompt();
    take_identity();
    if (refused) throw *refused;
    for (const JsonMember& member : members_) {
      if (is_data(member.key)) refuse_misspelt(member);
      if (is_consumed(member.key)) continue;
      if (is_special_tokens_option(member.key) && is_conversation()) {
        check_special_tokens_option(member);
      } else {
        take_parameter(row_, member);
      }
    }
    settle_parameters(row_, members_);
    if (options_.scored && row_.top_logprobs > 0) {
      throw BadRow({"unsupported_parameter",
                    "top_logprobs: scores have the tokens' own log-probabilities only"});
    }
    take_prompt();
    refuse_system_prompt_beside_prompt();
    take_chat_options();
    if (options_.scored) take_completion();
  }

 private:
  // What becomes the prompt, or its completion, or the id.
  bool is_consumed(std::string_view key) const {
    if (options_.scored && is_score_field(key)) return true;
    if (key == "id" || key == id_key_ || key == "prompt_token_ids" || key == "messages")
      return true;
    if (options_.prompt_template) return false;
    return key == options_.column || key == text_key_;
  }

  bool is_data(std::string_view key) const {
    if (is_consumed(key) || is_parameter(key)) return false;
    if (system_prompt_ != nullptr && key == system_prompt_->key) return false;
    // In rows without a conversation, documents may be anything.
    return !is_chat_option(key) || (key == "documents" && !is_conversation());
  }

  bool is_conversation() const { return messages() != nullptr || defaults_.chat; }

  const JsonMember* messages() const {
    if (const JsonMember* messages = find_other("messages")) return messages;
    return has_messages_as_prompt() ? find(members_, options_.column) : nullptr;
  }

  // A system prompt beside a conversation that has none, as in Anthropic's requests and many data
  // sets. Beside messages that begin with one it is data.
  const JsonMember* find_system_prompt() const {
    if (!is_conversation() || options_.prompt_template) return nullptr;
    for (const char* key : {"system", "system_prompt"}) {
      const JsonMember* member = find_other(key);
      const bool is_text = member != nullptr &&
                           (member->raw_value.front() == '"' || member->raw_value.front() == '[');
      if (!is_text || Field(*member).value().empty() || Field(*member).value() == "") continue;
      if (messages() == nullptr || !begins_with_system(*messages())) return member;
    }
    return nullptr;
  }

  // What is wrong with the values that decide; it waits until the row has its identity.
  std::optional<BadRow> settle_system_prompt() {
    try {
      system_prompt_ = find_system_prompt();
    } catch (const BadRow& bad) {
      return bad;
    }
    return std::nullopt;
  }

  static bool begins_with_system(const JsonMember& messages) {
    const Field field(messages);
    if (!field.value().is_array() || field.value().empty()) return false;
    const json& first = field.value().front();
    if (!first.is_object() || !first.contains("role")) return false;
    return first["role"] == "system" || first["role"] == "developer";
  }

  void take_messages(const JsonMember& messages) {
    const std::string_view list = messages.raw_value;
    if (system_prompt_ == nullptr || !Field(messages).value().is_array()) {
      return set_messages(row_, messages);
    }
    const std::string text =
        concat(R"([{"role":"system","content":)", system_prompt_->raw_value, '}',
               Field(messages).value().empty() ? "" : ",", list.substr(1));
    JsonMember all = messages;
    all.raw_value = text;
    set_messages(row_, all);
  }

  // As in the conversational data sets of TRL and others.
  bool has_messages_as_prompt() const {
    constexpr std::string_view kSpace = " \t\r\n";
    const JsonMember* prompt = find(members_, options_.column);
    if (prompt == nullptr || !prompt->raw_value.starts_with('[')) return false;
    const size_t first = prompt->raw_value.find_first_not_of(kSpace, 1);
    return prompt->raw_value[first] == '{';
  }

  // Before all that can fail, so that also a row that turns out bad has them.
  void take_identity() {
    if (find(members_, "id") == nullptr && find(members_, "custom_id") != nullptr) {
      id_key_ = "custom_id";
    }
    if (options_.scored && find(members_, options_.column) == nullptr) text_key_ = "text";
    for (const JsonMember& member : members_) {
      if (is_data(member.key)) pass_through(row_, members_, member, defaults_.style);
    }
    if (const JsonMember* id = find(members_, id_key_)) take_id(row_, *id);
  }

  void refuse_misspelt(const JsonMember& member) const {
    const std::string_view meant = misspelt_parameter(member.key);
    if (meant.empty() || (options_.prompt_template && options_.prompt_template->uses(member.key))) {
      return;
    }
    throw BadRow({"unknown_parameter",
                  concat(member.key, ": no parameter has this name: ", meant,
                         " is probably meant; give a field that is none another name")});
  }

  void refuse_system_prompt_beside_prompt() const {
    if (system_prompt_ == nullptr || row_.messages) return;
    Field(*system_prompt_)
        .reject("unsupported_parameter", "(as it is for messages) nothing beside a prompt");
  }

  void take_chat_options() {
    for (const JsonMember& member : members_) {
      if (!is_chat_option(member.key) || is_data(member.key)) continue;
      if (is_conversation()) {
        take_chat_option(row_.chat, member);
      } else {
        refuse_chat_option(member);
      }
    }
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
      take_messages(*messages);
    } else if (ids != nullptr) {
      row_.prompt_ids = token_ids(Field(*ids), "invalid_prompt");
    } else if (text != nullptr && has_messages_as_prompt()) {
      take_messages(*text);
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
      row_.score_from = static_cast<int32_t>(row_.prompt_ids.size());  // 0: after BOS
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
  const JsonMember* system_prompt_ = nullptr;
  std::string_view id_key_ = "id";  // the field that is the id
  std::string_view text_key_;       // that is scored where there is no prompt
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
  if (may_differ && is_openai_row(members)) {
    parse_openai_row(row, members, defaults);
    return;
  }
  if (may_differ && is_trtllm(members)) {
    rename_trtllm(members);
    row.params.ignore_eos = true;
  }
  PlainRow(row, members, defaults, options).parse();
}

InputRow parse(std::string_view text, RowPlace place, const RowDefaults& defaults,
               const PromptOptions& options, Forms forms) {
  InputRow row;
  row.id = std::to_string(place.number);
  row.place = std::move(place);
  row.params = defaults.params;
  row.stop = defaults.stop;
  row.logprobs = defaults.logprobs;
  row.top_logprobs = defaults.top_logprobs;
  row.echo = defaults.echo;
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
  reason.message = concat(place.text(), ": ", reason.message);
  error = std::move(reason);
}

std::string RowPlace::text() const {
  return concat(file, file.empty() ? "" : ": ", "line ", line);
}

InputRow parse_row(std::string_view text, RowPlace place, const RowDefaults& defaults,
                   const PromptOptions& options) {
  return parse(text, std::move(place), defaults, options, Forms::kAny);
}

InputRow parse_plain_row(std::string_view text, RowPlace place, const RowDefaults& defaults,
                         const PromptOptions& options) {
  return parse(text, std::move(place), defaults, options, Forms::kPlain);
}

}  // namespace eet
