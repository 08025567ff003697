#include "app/job/input/row_fields.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/job/input/chat_messages.h"

namespace eet {
namespace {

using nlohmann::json;

std::vector<int32_t> ids_of(const json& list, std::string_view name, const char* code) {
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (const json& item : list) {
    const std::optional<int32_t> id = as_int32(item);
    if (!id) {
      throw BadRow({code, concat(name, "[", ids.size(), "]: expected a token id, got ",
                                 shown(item.dump()))});
    }
    ids.push_back(*id);
  }
  return ids;
}

bool is_given(Members members, std::string_view key) {
  return std::ranges::any_of(members, [&](const JsonMember& each) { return each.key == key; });
}

}  // namespace

bool is_one_of(std::string_view key, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), key) != names.end();
}

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

std::vector<int32_t> token_ids(const Field& field, const char* code) {
  if (!field.value().is_array()) field.reject(code, "a list of token ids");
  return ids_of(field.value(), field.name(), code);
}

void set_prompt(InputRow& row, const Field& field) {
  const json* prompt = &field.value();
  const bool is_list = prompt->is_array() && !prompt->empty() && !prompt->front().is_number();
  if (is_list && (prompt->front().is_string() || prompt->front().is_array())) {
    if (prompt->size() > 1) {
      field.reject("invalid_prompt", "one prompt (of several, each needs a row of its own)");
    }
    prompt = &prompt->front();
  }
  if (prompt->is_string()) {
    row.prompt = prompt->get<std::string>();
  } else if (prompt->is_array()) {
    row.prompt_ids = ids_of(*prompt, field.name(), "invalid_prompt");
  } else {
    field.reject("invalid_prompt", "a string or a list of token ids");
  }
}

void set_messages(InputRow& row, const JsonMember& member) {
  row.is_chat = true;
  row.messages = check_messages(member);
}

void pass_through(InputRow& row, Members members, const JsonMember& member, RowStyle style) {
  const auto is_output_field = [&](std::string_view key) {
    return std::ranges::find(output_fields(style), key) != output_fields(style).end();
  };
  row.extra += ',';
  if (!is_output_field(member.key)) {
    row.extra.append(member.raw_key);
  } else {
    std::string name = "input_" + member.key;
    while (is_given(members, name) || is_output_field(name)) name.insert(0, "input_");
    row.extra.append("\"").append(name).append("\"");
  }
  row.extra.append(":").append(member.raw_value);
}

}  // namespace eet
