// The parameters that a row may give, by name.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "app/job/input/input_row.h"
#include "app/job/input/json_members.h"

namespace eet {

// A member of a row with its value. Its name in messages is the one that the row gives it.
class Field {
 public:
  explicit Field(const JsonMember& member);

  std::string_view name() const { return name_; }
  const nlohmann::json& value() const { return value_; }

  // Throws BadRow: "<name>: expected <expected>, got <value>".
  [[noreturn]] void reject(const char* code, std::string_view expected) const;

 private:
  std::string_view name_;
  std::string_view raw_;
  nlohmann::json value_;
};

// JSON text for a message, cut short.
std::string shown(std::string_view raw);

bool is_null(const JsonMember& member);

// A whole number of 32 bits, also where it is written as 3.0, as pandas does for a column in which
// a row has none.
std::optional<int32_t> as_int32(const nlohmann::json& value);

// Whether `key` is a parameter: one that is supported, or one of a peer's that is not.
bool is_parameter(std::string_view key);

// Whether the values of parameter `key` are text, possibly.
bool is_text_parameter(std::string_view key);

// Takes the parameter that `member` is, under its own name or that of a peer (max_new_tokens,
// stop_sequences, n_predict). False when it is none; null is as good as absent. A parameter of a
// peer that is not supported must have the value with which it changes nothing (num_beams: 1,
// stream: false). Throws BadRow (invalid_parameter, unsupported_parameter). Ranges of good types
// are Engine::check's business.
bool take_parameter(InputRow& row, const JsonMember& member);

// Once all have been taken: a row may give a parameter under one of its names only, as two could
// contradict each other, and do_sample: false is a temperature of 0, whatever it is elsewhere.
// Throws BadRow (invalid_parameter).
void settle_parameters(InputRow& row, std::span<const JsonMember> members);

// The supported parameter that `key`, which is none, was probably meant to be; empty for none.
std::string_view misspelt_parameter(std::string_view key);

}  // namespace eet
