#include "tokenizer/jinja/python_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <system_error>
#include <vector>

#include "tokenizer/jinja/error.h"
#include "tokenizer/utf8.h"

namespace eet::jinja {
namespace {

// Code points first..last, every stride-th of them, map to themselves plus delta.
struct CaseRange {
  char32_t first;
  char32_t last;
  int32_t stride;
  int32_t delta;
};

// A mapping to several characters.
struct CaseExpansion {
  char32_t from;
  const char* to;
};

#include "tokenizer/jinja/case_data.inc"

void append_mapped(std::string& out, char32_t character, const CaseRange* begin,
                   const CaseRange* end) {
  const CaseRange* range = std::lower_bound(
      begin, end, character, [](const CaseRange& one, char32_t value) { return one.last < value; });
  const bool is_mapped = range != end && character >= range->first &&
                         (character - range->first) % static_cast<char32_t>(range->stride) == 0;
  append_code_point(out, is_mapped
                             ? static_cast<char32_t>(static_cast<int64_t>(character) + range->delta)
                             : character);
}

void append_lower(std::string& out, char32_t character) {
  constexpr char32_t kCapitalSigma = 0x3A3;
  constexpr char32_t kCapitalIWithDot = 0x130;
  if (character == kCapitalSigma) {
    throw Error("lower case of a capital sigma, which depends on its word, is not supported");
  }
  if (character == kCapitalIWithDot) {
    out += "i\xCC\x87";
    return;
  }
  append_mapped(out, character, std::begin(kLowerRanges), std::end(kLowerRanges));
}

template <size_t N>
bool append_expansion(std::string& out, char32_t character, const CaseExpansion (&table)[N]) {
  const CaseExpansion* found =
      std::lower_bound(std::begin(table), std::end(table), character,
                       [](const CaseExpansion& one, char32_t value) { return one.from < value; });
  if (found == std::end(table) || found->from != character) return false;
  out += found->to;
  return true;
}

void append_upper(std::string& out, char32_t character) {
  if (append_expansion(out, character, kUpperExpansions)) return;
  append_mapped(out, character, std::begin(kUpperRanges), std::end(kUpperRanges));
}

void append_title(std::string& out, char32_t character) {
  if (!append_expansion(out, character, kTitleExceptions)) append_upper(out, character);
}

// Offset of the character that ends at `end`.
size_t previous_character(std::string_view text, size_t end) {
  do {
    --end;
  } while ((static_cast<uint8_t>(text[end]) & 0xC0) == 0x80);
  return end;
}

template <typename Predicate>
std::string_view strip_if(std::string_view text, StripSides sides, Predicate is_stripped) {
  size_t begin = 0;
  size_t end = text.size();
  while (sides.left && begin < end) {
    const size_t next = next_character(text, begin);
    if (!is_stripped(text.substr(begin, next - begin))) break;
    begin = next;
  }
  while (sides.right && end > begin) {
    const size_t last = previous_character(text, end);
    if (!is_stripped(text.substr(last, end - last))) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

bool ends_line(char32_t character) {
  return (character >= '\n' && character <= '\r') || (character >= 0x1C && character <= 0x1E) ||
         character == 0x85 || character == 0x2028 || character == 0x2029;
}

// str.isprintable(), but for code points that no Unicode version has assigned yet: those are taken
// for printable.
bool is_printable(char32_t character) {
  if (character < 0x80) return character >= 0x20 && character < 0x7F;
  if (is_space(character)) return false;
  struct Range {
    char32_t first;
    char32_t last;
  };
  constexpr Range kHidden[] = {
      {0x80, 0xA0},       {0xAD, 0xAD},       {0x600, 0x605},      {0x61C, 0x61C},
      {0x6DD, 0x6DD},     {0x70F, 0x70F},     {0x890, 0x891},      {0x8E2, 0x8E2},
      {0x180E, 0x180E},   {0x200B, 0x200F},   {0x202A, 0x202E},    {0x2060, 0x206F},
      {0xE000, 0xF8FF},   {0xFEFF, 0xFEFF},   {0xFFF0, 0xFFFB},    {0xFFFE, 0xFFFF},
      {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F},  {0x1BCA0, 0x1BCA3},
      {0x1D173, 0x1D17A}, {0xE0000, 0xE00FF}, {0xE01F0, 0x10FFFF},
  };
  return std::none_of(std::begin(kHidden), std::end(kHidden), [character](const Range& range) {
    return character >= range.first && character <= range.last;
  });
}

void append_hex(std::string& out, const char* prefix, char32_t value, int digits) {
  out += prefix;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    out += "0123456789abcdef"[value >> shift & 0xF];
  }
}

void append_escaped(std::string& out, char32_t character, char quote) {
  if (character == static_cast<char32_t>(quote) || character == '\\') {
    out += '\\';
    out += static_cast<char>(character);
  } else if (character == '\n') {
    out += "\\n";
  } else if (character == '\r') {
    out += "\\r";
  } else if (character == '\t') {
    out += "\\t";
  } else if (is_printable(character)) {
    append_code_point(out, character);
  } else if (character < 0x100) {
    append_hex(out, "\\x", character, 2);
  } else if (character < 0x10000) {
    append_hex(out, "\\u", character, 4);
  } else {
    append_hex(out, "\\U", character, 8);
  }
}

// Digits with single underscores between them, without those; empty where it is something else.
std::string without_underscores(std::string_view digits) {
  std::string plain;
  for (size_t i = 0; i < digits.size(); ++i) {
    const bool is_digit = digits[i] >= '0' && digits[i] <= '9';
    const bool is_between = digits[i] == '_' && i > 0 && digits[i - 1] >= '0' &&
                            digits[i - 1] <= '9' && i + 1 < digits.size() && digits[i + 1] >= '0' &&
                            digits[i + 1] <= '9';
    if (!is_digit && !is_between) return "";
    if (is_digit) plain += digits[i];
  }
  return plain;
}

}  // namespace

size_t next_character(std::string_view text, size_t at) {
  do {
    ++at;
  } while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80);
  return at;
}

int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char byte) { return (static_cast<uint8_t>(byte) & 0xC0) != 0x80; });
}

size_t find_text(std::string_view text, std::string_view part, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (part.empty()) return from;
  // std::string_view::find compares at every place; memmem is linear, but under sanitizers it looks
  // at the whole text each time.
  constexpr size_t kShort = 16;
  if (part.size() <= kShort) return text.find(part, from);
  const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

bool is_space(char32_t character) {
  return (character >= 0x09 && character <= 0x0D) || (character >= 0x1C && character <= 0x20) ||
         character == 0x85 || character == 0xA0 || character == 0x1680 ||
         (character >= 0x2000 && character <= 0x200A) || character == 0x2028 ||
         character == 0x2029 || character == 0x202F || character == 0x205F || character == 0x3000;
}

std::string_view strip(std::string_view text, StripSides sides) {
  return strip_if(text, sides, [](std::string_view character) {
    size_t at = 0;
    return is_space(next_code_point(character, at));
  });
}

std::string_view strip(std::string_view text, std::string_view characters, StripSides sides) {
  std::vector<char32_t> stripped;
  for (size_t at = 0; at < characters.size();) stripped.push_back(next_code_point(characters, at));
  std::sort(stripped.begin(), stripped.end());
  return strip_if(text, sides, [&stripped](std::string_view character) {
    size_t at = 0;
    return std::binary_search(stripped.begin(), stripped.end(), next_code_point(character, at));
  });
}

void for_each_line(std::string_view text, FunctionRef<void(std::string_view)> visit) {
  size_t line_begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t line_end = at;
    const char32_t character = next_code_point(text, at);
    if (!ends_line(character)) continue;
    if (character == '\r' && at < text.size() && text[at] == '\n') ++at;
    visit(text.substr(line_begin, line_end - line_begin));
    line_begin = at;
  }
  if (line_begin < text.size()) visit(text.substr(line_begin));
}

std::string lower(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) append_lower(out, next_code_point(text, at));
  return out;
}

std::string upper(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) append_upper(out, next_code_point(text, at));
  return out;
}

std::string capitalize(std::string_view text) {
  std::string out;
  if (text.empty()) return out;
  size_t at = 0;
  append_title(out, next_code_point(text, at));
  return out + lower(text.substr(at));
}

void write_repr(std::string_view text, FunctionRef<void(std::string_view)> write) {
  constexpr size_t kPieceBytes = 4096;
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string piece(1, quote);
  for (size_t at = 0; at < text.size();) {
    append_escaped(piece, next_code_point(text, at), quote);
    if (piece.size() < kPieceBytes) continue;
    write(piece);
    piece.clear();
  }
  write(piece + quote);
}

std::string repr(std::string_view text) {
  std::string out;
  write_repr(text, [&out](std::string_view piece) { out += piece; });
  return out;
}

std::string repr(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  // The shortest digits that read back as the same number, as d.ddde[+-]xx.
  char buffer[40];
  const auto result =
      std::to_chars(buffer, std::end(buffer), number, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(result.ptr - buffer));
  const size_t exponent_at = text.find('e');
  int exponent = 0;
  const size_t exponent_digits = exponent_at + (text[exponent_at + 1] == '+' ? 2 : 1);
  std::from_chars(text.data() + exponent_digits, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);

  const bool is_negative = text[0] == '-';
  std::string digits;
  for (const char character : text.substr(0, exponent_at)) {
    if (character >= '0' && character <= '9') digits += character;
  }
  if (exponent < 0) {
    digits.insert(0, static_cast<size_t>(-exponent), '0');
    exponent = 0;
  }
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) digits.append(whole + 1 - digits.size(), '0');
  digits.insert(whole, 1, '.');
  return is_negative ? "-" + digits : digits;
}

bool parse_integer(std::string_view text, int64_t& number) {
  text = strip(text);
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  const std::string digits = (is_negative ? "-" : "") + without_underscores(text);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc::result_out_of_range) throw Error("an integer beyond 64 bits");
  return error == std::errc() && end == digits.data() + digits.size();
}

bool parse_real(std::string_view text, double& number) {
  text = strip(text);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) throw Error("a float beyond 64 bits");
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace eet::jinja
