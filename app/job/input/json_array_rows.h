// A JSON array of objects as rows, read as a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "app/job/input/line_reader.h"

namespace eet {

// What json.dump writes for a list of rows: the elements between the brackets, one after the other,
// whatever lines they are on. Only an element is held in memory.
class JsonArrayReader {
 public:
  // Whether what comes next, after white space, is an array that is empty or begins with an object.
  // No line of JSON lines begins so. Nothing is consumed, unless it is white space.
  static bool is_next(LineReader& lines);

  // is_next(lines) must hold.
  JsonArrayReader(LineReader& lines, size_t max_element_bytes)
      : lines_(lines), max_element_bytes_(max_element_bytes) {}

  struct Element {
    uint64_t line = 0;  // where it begins
    int64_t bytes = 0;
    bool too_long = false;  // and then without text
    std::string text;       // not yet parsed: perhaps no object
  };

  // Nothing at the end of the array, and where the input was cancelled. Throws Error when the input
  // ends before the array, or goes on behind it.
  std::optional<Element> next();

 private:
  [[noreturn]] void fail(const std::string& expected) const;
  std::optional<Element> end_early();
  std::optional<char> skip_space();
  void check_end();

  LineReader& lines_;
  size_t max_element_bytes_;
  bool opened_ = false;
  bool closed_ = false;
};

}  // namespace eet
