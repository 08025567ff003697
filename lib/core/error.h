// The errors that end a run, and the record that marks a bad row.
#pragma once

#include <cerrno>
#include <sstream>
#include <stdexcept>
#include <string>

#include "lib/files/system_reason.h"

namespace eet {

// Joins its arguments into one string, each written with operator<<. Throws std::bad_alloc where a
// stream by itself would leave a part out in silence.
template <typename... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  out.exceptions(std::ostringstream::badbit);
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

// As require(), for a system call: `held` says that it succeeded, and the system's reason stands
// behind the arguments. errno is read here, after the call; as an argument it may be read before.
template <typename... Args>
void require_call(bool held, const Args&... args) {
  if (held) return;
  const int reason = errno;
  throw Error(concat(args..., system_reason(reason)));
}

// Why one row of the input has no completion. `code` is a short stable word for programs
// ("prompt_too_long"), `message` a sentence for people.
struct RowError {
  std::string code;
  std::string message;
};

// Of a row for which memory could not be allocated: the job goes on with the others.
inline RowError out_of_memory() {
  return {"out_of_memory",
          "not enough memory for this row; make it smaller, or run fewer together"};
}

}  // namespace eet
