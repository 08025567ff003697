// Text as Python's str has it: made of characters (code points), held as UTF-8. Every `text` must
// be well-formed UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tokenizer/function_ref.h"

namespace eet::jinja {

// Offset of the character behind the one at `at`.
size_t next_character(std::string_view text, size_t at);
int64_t count_characters(std::string_view text);

// Offset of the first `part` at or after `from`, or npos. Takes linear time, whatever the text.
size_t find_text(std::string_view text, std::string_view part, size_t from = 0);

// str.isspace() of one character.
bool is_space(char32_t character);

// str.strip() and its halves: of white space, or of the characters in `characters`.
struct StripSides {
  bool left = true;
  bool right = true;
};
std::string_view strip(std::string_view text, StripSides sides = {});
std::string_view strip(std::string_view text, std::string_view characters, StripSides sides);

// Calls `visit` for each of str.splitlines().
void for_each_line(std::string_view text, FunctionRef<void(std::string_view)> visit);

// str.lower(), str.upper() and str.capitalize(). Error on what depends on the language of Unicode
// beyond a table: a capital sigma.
std::string lower(std::string_view text);
std::string upper(std::string_view text);
std::string capitalize(std::string_view text);

// repr(). That of text may be several times as long: `write` is called for one piece of it after
// the other.
void write_repr(std::string_view text, FunctionRef<void(std::string_view)> write);
std::string repr(std::string_view text);
std::string repr(double number);

// int(text) and float(text); false where Python raises ValueError.
bool parse_integer(std::string_view text, int64_t& number);
bool parse_real(std::string_view text, double& number);

}  // namespace eet::jinja
