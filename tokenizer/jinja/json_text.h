// JSON to values and back.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "tokenizer/jinja/value.h"

namespace eet::jinja {

// Error where it is nested too deeply or a number does not fit 64 bits.
Value from_json(const nlohmann::ordered_json& json);

// What Python's json.dumps takes; `indent` is one level of it.
struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

// Error on values that JSON has no word for.
std::string to_json(Budget& budget, const Value& value, const JsonStyle& style);

}  // namespace eet::jinja
