// What goes wrong in a template, at parsing or at rendering.
#pragma once

#include <stdexcept>
#include <string>

namespace eet::jinja {

// The message has no file and no line. `line` counts from 1; 0 where it is not known yet.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, int line = 0)
      : std::runtime_error(message), line_(line) {}

  int line() const { return line_; }

 private:
  int line_;
};

}  // namespace eet::jinja
