#include "app/cli/toml.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <set>
#include <system_error>
#include <utility>

#include "lib/core/error.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

class TomlReader {
 public:
  TomlReader(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  std::vector<TomlEntry> read() {
    if (!is_utf8(std::string(rest_))) refuse("expected UTF-8");
    for (skip_lines(); !rest_.empty(); skip_lines()) {
      if (take("[")) {
        read_table();
      } else {
        read_entry();
      }
      end_line();
    }
    return std::move(entries_);
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error(concat(name_, ": line ", line_, ": ", reason));
  }

  bool take(std::string_view wanted) {
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(wanted.size());
    return true;
  }

  char next() {
    if (rest_.empty()) refuse("expected more, got the end of the file");
    const char c = rest_.front();
    rest_.remove_prefix(1);
    if (c == '\n') ++line_;
    return c;
  }

  void skip_blanks() {
    while (take(" ") || take("\t")) {
    }
  }

  void skip_comment() {
    if (rest_.starts_with('#')) rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
  }

  bool take_newline() {
    if (!take("\r\n") && !take("\n")) return false;
    ++line_;
    return true;
  }

  // Blanks, comments and ends of lines.
  void skip_lines() {
    do {
      skip_blanks();
      skip_comment();
    } while (take_newline());
  }

  void end_line() {
    skip_blanks();
    skip_comment();
    if (!rest_.empty() && !take_newline()) {
      refuse("expected the end of the line after a value or [table]");
    }
  }

  std::string read_key() {
    if (take("\"")) return read_basic_string();
    if (take("'")) return read_literal_string();
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_bare);
    std::string key(rest_.begin(), end);
    rest_.remove_prefix(key.size());
    if (key.empty()) refuse("expected the name of a flag");
    return key;
  }

  void read_table() {
    if (take("[")) refuse("expected a [table], got an array of tables");
    skip_blanks();
    table_ = read_key();
    skip_blanks();
    if (!take("]")) refuse("expected ] after [" + table_);
    if (!tables_.insert(table_).second) refuse("expected [" + table_ + "] once");
  }

  void read_entry() {
    TomlEntry entry{.table = table_, .key = {}, .values = {}, .line = line_};
    entry.key = read_key();
    skip_blanks();
    if (take(".")) refuse("expected the name of a flag, got a dotted key");
    if (!take("=")) refuse("expected = after " + entry.key);
    skip_blanks();
    if (take("[")) {
      read_array(entry.values);
    } else {
      entry.values.push_back(read_value());
    }
    if (!keys_.emplace(table_, entry.key).second) refuse("expected " + entry.key + " once");
    entries_.push_back(std::move(entry));
  }

  void read_array(std::vector<std::string>& values) {
    for (skip_lines(); !take("]"); skip_lines()) {
      values.push_back(read_value());
      skip_lines();
      if (!take(",") && !rest_.starts_with(']')) refuse("expected , or ] in an array");
    }
  }

  std::string read_value() {
    if (take("\"\"\"")) return read_long_string("\"\"\"", /*escapes=*/true);
    if (take("'''")) return read_long_string("'''", /*escapes=*/false);
    if (take("\"")) return read_basic_string();
    if (take("'")) return read_literal_string();
    if (rest_.starts_with('{')) refuse("expected a value of a flag, got an inline table");
    if (rest_.starts_with('[')) refuse("expected a value of a flag, got an array in an array");
    return read_word();
  }

  // A boolean or a number. What numbers a flag takes is the flag's to say.
  std::string read_word() {
    const size_t end = std::min(rest_.find_first_of(" \t\r\n,]#"), rest_.size());
    std::string word(rest_.substr(0, end));
    rest_.remove_prefix(end);
    if (word == "true" || word == "false") return word;
    std::string number = word;
    std::erase(number, '_');
    const char* begin = number.data() + (number.starts_with('+') ? 1 : 0);
    const char* const stop = number.data() + number.size();
    double value = 0;
    const auto [read, error] = std::from_chars(begin, stop, value);
    if (read != stop || error == std::errc::invalid_argument) {
      refuse("expected a number, true, false, or text in quotes, got '" + word + "'");
    }
    return {begin, stop};
  }

  std::string read_basic_string() {
    std::string text;
    for (char c = next(); c != '"'; c = next()) {
      if (c == '\n' || (c == '\\' && rest_.starts_with('\n'))) {
        refuse("expected \" before the end of the line");
      }
      append(text, c, /*escapes=*/true);
    }
    return text;
  }

  std::string read_literal_string() {
    std::string text;
    for (char c = next(); c != '\''; c = next()) {
      if (c == '\n') refuse("expected ' before the end of the line");
      text += c;
    }
    return text;
  }

  // Over several lines; a line end right after the opening quotes does not count.
  std::string read_long_string(std::string_view quotes, bool escapes) {
    take_newline();
    std::string text;
    while (!take(quotes)) append(text, next(), escapes);
    for (int extra = 0; extra < 2 && take(quotes.substr(0, 1)); ++extra) text += quotes.front();
    return text;
  }

  void append(std::string& text, char c, bool escapes) {
    if (c != '\\' || !escapes) {
      text += c;
      return;
    }
    constexpr std::string_view kNames = "btnfr\"\\";
    constexpr std::string_view kCharacters = "\b\t\n\f\r\"\\";
    const char name = next();
    if (name == 'u' || name == 'U') {
      append_code_point(text, read_code_point(name == 'u' ? 4 : 8));
    } else if (name == '\n' || name == ' ' || name == '\t' || name == '\r') {
      // A line that goes on: all white space up to the next character is left out.
      while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_.front()) != rest_.npos) {
        next();
      }
    } else if (const size_t at = kNames.find(name); at != kNames.npos) {
      text += kCharacters[at];
    } else {
      refuse(concat("expected an escape of TOML, got \\", name));
    }
  }

  char32_t read_code_point(size_t digits) {
    uint32_t code = 0;
    const std::string_view hex = rest_.substr(0, digits);
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
    const bool good = hex.size() == digits && error == std::errc() && end == hex.data() + digits;
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (!good || surrogate || code > 0x10FFFF) {
      refuse(concat("expected ", digits, " hexadecimal digits of a Unicode character after \\",
                    digits == 4 ? 'u' : 'U'));
    }
    rest_.remove_prefix(digits);
    return code;
  }

  std::string_view rest_;
  const std::string& name_;
  int line_ = 1;
  std::string table_;
  std::set<std::string> tables_;
  std::set<std::pair<std::string, std::string>> keys_;
  std::vector<TomlEntry> entries_;
};

}  // namespace

std::vector<TomlEntry> read_toml(std::string_view text, const std::string& name) {
  return TomlReader(text, name).read();
}

}  // namespace eet
