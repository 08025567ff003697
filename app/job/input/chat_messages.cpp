#include "app/job/input/chat_messages.h"

#include <nlohmann/json.hpp>

namespace eet {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// A value with its place for messages: "messages[2].content".
struct Node {
  const json& value;
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

std::string part_text(const Node& part) {
  if (!part.value.is_object()) part.reject("an object");
  const Node type = part.member("type");
  if (type.text() != "text") type.reject("unsupported_messages", "text");
  return part.member("text").text();
}

std::string content_text(const Node& content) {
  if (content.value.is_string()) return content.text();
  if (!content.value.is_array() || content.value.empty()) {
    content.reject("a string or a list of text parts");
  }
  std::string text = part_text(content.item(0));
  for (size_t i = 1; i < content.value.size(); ++i) text += "\n" + part_text(content.item(i));
  return text;
}

ordered_json check_message(const Node& message) {
  if (!message.value.is_object()) message.reject("an object");
  for (const auto& [key, value] : message.value.items()) {
    const bool known = key == "role" || key == "content" || key == "name";
    if (!known && !value.is_null()) message.member(key).refuse();
  }
  const Node role = message.member("role");
  if (role.text() == "tool" || role.text() == "function") {
    role.reject("unsupported_messages", "system, user or assistant");
  }
  ordered_json checked = {{"role", role.text()},
                          {"content", content_text(message.member("content"))}};
  if (message.value.contains("name") && !message.value.at("name").is_null()) {
    checked["name"] = message.member("name").text();
  }
  return checked;
}

}  // namespace

std::string check_messages(const Field& field) {
  const Node messages{field.value(), std::string(field.name())};
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
