#include "app/job/input/chat_options.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "app/job/input/row_limits.h"
#include "app/job/input/row_parameters.h"

namespace eet {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view kOptions[] = {"tools",
                                         "tool_choice",
                                         "documents",
                                         "chat_template_kwargs",
                                         "enable_thinking",
                                         "reasoning_effort",
                                         "add_generation_prompt",
                                         "continue_final_message"};

bool truth_of(const Field& field) {
  if (!field.value().is_boolean()) field.reject("invalid_parameter", "true or false");
  return field.value().get<bool>();
}

void check_objects(const Field& field) {
  const json& list = field.value();
  const bool good = list.is_array() &&
                    std::ranges::all_of(list, [](const json& item) { return item.is_object(); });
  if (!good) field.reject("invalid_parameter", "a list of objects");
}

// Templates see the members of objects in the row's order.
void add_variables(ChatOptions& options, const ordered_json& more) {
  ordered_json variables =
      options.variables.empty() ? ordered_json::object() : ordered_json::parse(options.variables);
  variables.update(more);
  options.variables = variables.dump();
}

}  // namespace

bool is_chat_option(std::string_view key) {
  return std::ranges::find(kOptions, key) != std::end(kOptions);
}

void take_chat_option(ChatOptions& options, const JsonMember& member) {
  if (is_null(member)) return;
  check_ordered_value(member.key, member.raw_value);
  const Field field(member);
  if (member.key == "tools" || member.key == "documents") {
    check_objects(field);
    if (!field.value().empty()) {
      add_variables(options, {{member.key, ordered_json::parse(member.raw_value)}});
    }
  } else if (member.key == "tool_choice") {
    if (field.value() != "none" && field.value() != "auto") {
      field.reject("unsupported_parameter", "(as no call can be forced) none or auto");
    }
  } else if (member.key == "chat_template_kwargs") {
    if (!field.value().is_object()) field.reject("invalid_parameter", "an object");
    add_variables(options, ordered_json::parse(member.raw_value));
  } else if (member.key == "enable_thinking") {
    add_variables(options, {{member.key, truth_of(field)}});
  } else if (member.key == "reasoning_effort") {
    if (!field.value().is_string()) field.reject("invalid_parameter", "a string");
    add_variables(options, {{member.key, ordered_json::parse(member.raw_value)}});
  } else if (member.key == "add_generation_prompt") {
    options.add_generation_prompt = truth_of(field);
  } else {
    options.continue_final_message = truth_of(field);
  }
  if (options.continue_final_message && options.add_generation_prompt == true) {
    field.reject("invalid_parameter",
                 "either continue_final_message or add_generation_prompt, as they exclude each "
                 "other,");
  }
}

bool is_special_tokens_option(std::string_view key) {
  return key == "add_special_tokens";
}

void check_special_tokens_option(const JsonMember& member) {
  if (is_null(member)) return;
  const Field field(member);
  if (truth_of(field)) {
    field.reject("unsupported_parameter", "(as templates write special tokens themselves) false");
  }
}

void refuse_chat_option(const JsonMember& member) {
  if (is_null(member)) return;
  const Field field(member);
  const json& value = field.value();
  const bool is_neutral = (value.is_structured() && value.empty()) || value == "none" ||
                          value == "auto" || value == json(member.key == "add_generation_prompt");
  if (!is_neutral) {
    field.reject("unsupported_parameter",
                 "(as it is for messages, or for prompts with --chat) nothing");
  }
}

}  // namespace eet
