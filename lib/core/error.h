// The errors that end a run, and the record that marks a bad row.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace eet {

// Joins its arguments into one string, each written with operator<<.
template <typename... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

// A fatal error: caught once, in main, which prints what() and exits with 1. The message says what,
// where, expected, got, and what to do.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws Error with the joined arguments unless `condition` holds.
template <typename... Args>
void require(bool condition, const Args&... args) {
  if (!condition) throw Error(concat(args...));
}

// Why one row of the input has no completion. `code` is a short stable word for programs
// ("prompt_too_long"), `message` a sentence for people.
struct RowError {
  std::string code;
  std::string message;
};

}  // namespace eet
