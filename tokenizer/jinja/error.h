// What goes wrong in a template, at parsing or at rendering.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

namespace eet::jinja {

// The message has no file and no line. It may quote a row's text: what goes beyond a few thousand
// bytes is cut. `line` counts from 1; 0 where it is not known yet.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, int line = 0)
      : std::runtime_error(cut(message)), line_(line) {}

  int line() const { return line_; }

 private:
  static std::string cut(const std::string& message) {
    constexpr size_t kMaxBytes = 4096;
    if (message.size() <= kMaxBytes) return message;
    size_t end = kMaxBytes;
    while ((static_cast<unsigned char>(message[end]) & 0xC0U) == 0x80U)
      --end;  // inside a character
    return message.substr(0, end) + "...";
  }

  int line_;
};

}  // namespace eet::jinja
