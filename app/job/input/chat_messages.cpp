#include "app/job/input/chat_messages.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>

#include "app/job/input/row_limits.h"
#include "app/job/input/row_parameters.h"

namespace eet {
namespace {

using nlohmann::ordered_json;

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// A value with its place for messages: "messages[2].content".
struct Node {
  const ordered_json& value;
  std::string place;

  [[noreturn]] void reject(const char* code, std::string_view expected) const {
    throw BadRow({code, concat(place, ": expected ", expected, ", got ", shown(value.dump()))});
  }
  [[noreturn]] void reject(std::string_view expected) const {
    reject("invalid_messages", expected);
  }
  [[noreturn]] void refuse() const {
    throw BadRow({"unsupported_messages", place + " is not supported: only text is"});
  }

  const std::string& text() const {
    if (!value.is_string()) reject("a string");
    return value.get_ref<const std::string&>();
  }
  Node member(const std::string& key) const {
    if (!value.contains(key)) {
      throw BadRow({"invalid_messages", concat(place, ": expected a field ", key, ", got none")});
    }
    return {value.at(key), place + "." + key};
  }
  Node item(size_t index) const { return {value.at(index), concat(place, "[", index, "]")}; }
};

// A part of a content as OpenAI's requests and answers have it, or a string.
ordered_json check_part(const Node& part) {
  if (part.value.is_string()) return {{"type", "text"}, {"text", part.value}};
  if (!part.value.is_object()) part.reject("an object");
  const Node type = part.member("type");
  if (type.text() == "refusal") {
    return {{"type", "text"}, {"text", part.member("refusal").text()}};
  }
  if (!is_one_of(type.text(), {"text", "input_text", "output_text"})) {
    type.reject("unsupported_messages", "text");
  }
  return {{"type", "text"}, {"text", part.member("text").text()}};
}

ordered_json check_content(const Node& content) {
  if (content.value.is_null()) return "";
  if (content.value.is_string()) return content.value;
  if (!content.value.is_array()) content.reject("a string or a list of text parts");
  ordered_json parts = ordered_json::array();
  for (size_t i = 0; i < content.value.size(); ++i) parts.push_back(check_part(content.item(i)));
  return parts.empty() ? ordered_json("") : parts;
}

ordered_json check_tool_calls(const Node& calls) {
  if (!calls.value.is_array()) calls.reject("a list of calls");
  ordered_json checked = calls.value;
  for (size_t i = 0; i < checked.size(); ++i) {
    if (!checked[i].is_object()) calls.item(i).reject("an object");
    const auto function = checked[i].find("function");
    if (function == checked[i].end() || !function->is_object()) continue;
    const auto arguments = function->find("arguments");
    if (arguments == function->end() || !arguments->is_string()) continue;
    check_ordered_value("messages", arguments->get_ref<const std::string&>());
    ordered_json parsed = ordered_json::parse(arguments->get_ref<const std::string&>(),
                                              /*cb=*/nullptr, /*allow_exceptions=*/false);
    if (parsed.is_object()) *arguments = std::move(parsed);
  }
  return checked;
}

ordered_json check_message(const Node& message) {
  if (!message.value.is_object()) message.reject("an object");
  ordered_json checked = ordered_json::object();
  for (const auto& [key, value] : message.value.items()) {
    const bool is_nothing = value.is_null() || (value.is_array() && value.empty());
    if (key == "content") {
      checked[key] = check_content(message.member(key));
    } else if (is_nothing) {
      continue;
    } else if (is_one_of(key, {"audio", "function_call", "images"})) {
      message.member(key).refuse();
    } else if (key == "tool_calls") {
      checked[key] = check_tool_calls(message.member(key));
    } else {
      checked[key] = value;
    }
  }
  message.member("role").text();
  // A message that calls tools may have none.
  if (checked.contains("tool_calls")) checked.emplace("content", "");
  if (!checked.contains("content")) checked["content"] = message.member("content").value;
  return checked;
}

}  // namespace

std::string check_messages(const JsonMember& member) {
  check_ordered_value(member.key, member.raw_value);
  const ordered_json value = ordered_json::parse(member.raw_value);
  const Node messages{value, member.key};
  if (!messages.value.is_array() || messages.value.empty()) {
    messages.reject("a list of messages, not empty");
  }
  ordered_json checked = ordered_json::array();
  for (size_t i = 0; i < messages.value.size(); ++i) {
    checked.push_back(check_message(messages.item(i)));
  }
  return checked.dump();
}

}  // namespace eet
