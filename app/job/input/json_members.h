// The members of a JSON object, each as the text that the input gave.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/job/input/row_limits.h"
#include "lib/core/error.h"

namespace eet {

// Text instead of a parsed value, so that what only passes through comes out as it went in: numbers
// keep their digits, objects the order of their members.
struct JsonMember {
  std::string key;             // decoded
  std::string_view raw_key;    // with its quotes
  std::string_view raw_value;  // without white space around it
};

// What is wrong with one row of the input; the job goes on with the next.
class BadRow : public std::runtime_error {
 public:
  explicit BadRow(RowError error) : std::runtime_error(error.message), error_(std::move(error)) {}
  const RowError& row_error() const { return error_; }

 private:
  RowError error_;
};

// Splits `text` into the members of its one object, in their order; the views point into `text`.
// All of `text` is checked: UTF-8, nesting of at most 64, numbers within double's range, no key
// twice, at most `max_members` of them. Throws BadRow with code "invalid_json" or "duplicate_key".
// Neither time nor stack depends on the nesting.
std::vector<JsonMember> split_members(std::string_view text, size_t max_members = kMaxRowFields);

}  // namespace eet
