#include "tokenizer/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <optional>

#include "tokenizer/jinja/error.h"
#include "tokenizer/jinja/python_text.h"
#include "tokenizer/utf8.h"

namespace eet::jinja {
namespace {

constexpr size_t kMaxSourceBytes = 1 << 20;
constexpr size_t kMaxNameBytes = 1000;  // looking a name up counts as one step, whatever its length

// Longer ones first, so that the first one that fits is the right one.
constexpr std::array<std::string_view, 26> kOperators = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

bool is_name_start(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

// As Jinja reads a template: all newlines are \n, and one at the end does not count.
std::string normalized(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

// Python's "unicode-escape": what a backslash stands for; unknown escapes stay as they are.
class Unescaper {
 public:
  Unescaper(std::string_view text, int line) : text_(text), line_(line) {}

  std::string run() {
    while (at_ < text_.size()) {
      if (text_[at_] != '\\' || at_ + 1 == text_.size()) {
        out_ += text_[at_++];
      } else {
        ++at_;
        unescape();
      }
    }
    return std::move(out_);
  }

 private:
  void unescape() {
    constexpr std::string_view kLetters = "abfnrtv\\'\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    const char letter = text_[at_];
    const size_t known = kLetters.find(letter);
    if (known != std::string_view::npos) {
      out_ += kMeanings[known];
      ++at_;
    } else if (letter == '\n') {
      ++at_;
    } else if (letter >= '0' && letter <= '7') {
      size_t count = 1;
      while (count < 3 && at_ + count < text_.size() && text_[at_ + count] >= '0' &&
             text_[at_ + count] <= '7') {
        ++count;
      }
      append_number(count, 8);
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      ++at_;
      append_number(letter == 'x' ? 2 : (letter == 'u' ? 4 : 8), 16);
    } else if (letter == 'N') {
      throw Error("\\N{...} in a string is not supported", line_);
    } else {
      out_ += '\\';
    }
  }

  void append_number(size_t count, uint32_t base) {
    const std::string_view digits = text_.substr(at_, count);
    uint64_t code_point = 0;
    for (const char digit : digits) {
      const size_t value =
          std::string_view("0123456789abcdef")
              .find(static_cast<char>(digit >= 'A' && digit <= 'F' ? digit - 'A' + 'a' : digit));
      if (value >= base) throw Error("a malformed escape in a string", line_);
      code_point = code_point * base + value;
    }
    if (digits.size() < count || code_point > 0x10FFFF ||
        (code_point >= 0xD800 && code_point < 0xE000)) {
      throw Error("an escape in a string that is no character", line_);
    }
    append_code_point(out_, static_cast<char32_t>(code_point));
    at_ += count;
  }

  std::string_view text_;
  int line_;
  size_t at_ = 0;
  std::string out_;
};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) lex_data();
    emit(Token::Type::kEnd, "");
    return std::move(tokens_);
  }

 private:
  // Text up to the next tag, and that tag.
  void lex_data() {
    const size_t begin = at_;
    size_t tag = source_.find('{', at_);
    while (tag != std::string::npos && !is_tag(tag)) tag = source_.find('{', tag + 1);
    if (tag == std::string::npos) {
      emit(Token::Type::kData, source_.substr(begin));
      at_ = source_.size();
      return;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const std::string_view text = std::string_view(source_).substr(begin, tag - begin);
    emit(Token::Type::kData, std::string(text_before_tag(text, kind, sign)));
    if (const std::optional<RawTag> raw = raw_tag(tag, "raw")) {
      lex_raw(*raw);
      return;
    }
    advance(tag + 2 + (sign == '-' || sign == '+' ? 1 : 0));
    if (kind == '#') {
      skip_comment();
    } else {
      lex_tag(kind == '%');
    }
  }

  bool is_tag(size_t brace) const {
    if (brace + 1 >= source_.size()) return false;
    const char next = source_[brace + 1];
    return next == '{' || next == '%' || next == '#';
  }

  // What stays of the text before a tag: "-" takes all white space, and lstrip_blocks what stands
  // between the beginning of the line and a block or comment.
  std::string_view text_before_tag(std::string_view text, char kind, char sign) const {
    if (sign == '-') return strip(text, {.left = false});
    if (sign == '+' || kind == '{') return text;
    const size_t newline = text.rfind('\n');
    const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
    const bool at_line_begin = line_begin > 0 || at_ == 0 || source_[at_ - 1] == '\n';
    const bool is_blank = strip(text.substr(line_begin)).empty();
    return at_line_begin && is_blank ? text.substr(0, line_begin) : text;
  }

  // {% raw %} or {% endraw %}, whose ends are not those of other blocks.
  struct RawTag {
    char begin_sign;
    char end_sign;
    size_t end;  // behind it
  };

  std::optional<RawTag> raw_tag(size_t tag, std::string_view keyword) const {
    const auto skip_space = [this](size_t from) {
      return source_.size() -
             strip(std::string_view(source_).substr(from), {.right = false}).size();
    };
    RawTag raw{.begin_sign = '\0', .end_sign = '\0', .end = tag + 2};
    if (source_.compare(tag, 2, "{%") != 0) return std::nullopt;
    if (at(raw.end) == '-' || at(raw.end) == '+') raw.begin_sign = source_[raw.end++];
    raw.end = skip_space(raw.end);
    if (source_.compare(raw.end, keyword.size(), keyword) != 0) return std::nullopt;
    raw.end = skip_space(raw.end + keyword.size());
    // At the beginning of a raw block "+" is no sign.
    const bool may_be_plus = keyword == "endraw";
    if (at(raw.end) == '-' || (may_be_plus && at(raw.end) == '+')) {
      raw.end_sign = source_[raw.end++];
    }
    if (source_.compare(raw.end, 2, "%}") != 0) return std::nullopt;
    raw.end += 2;
    return raw;
  }

  // Text up to {% endraw %}, whatever tags are in it.
  void lex_raw(const RawTag& raw) {
    advance(raw.end);
    skip_after_tag(raw.end_sign, /*trims_newline=*/false);
    for (size_t tag = source_.find("{%", at_); tag != std::string::npos;
         tag = source_.find("{%", tag + 1)) {
      const std::optional<RawTag> end = raw_tag(tag, "endraw");
      if (!end) continue;
      const std::string_view text = std::string_view(source_).substr(at_, tag - at_);
      emit(Token::Type::kData, std::string(text_before_tag(text, '%', end->begin_sign)));
      advance(end->end);
      skip_after_tag(end->end_sign, /*trims_newline=*/true);
      return;
    }
    throw Error("'{% raw %}' without '{% endraw %}'", line_);
  }

  void skip_comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos) throw Error("a comment without an end", line_);
    const char sign = end > at_ ? source_[end - 1] : '\0';
    advance(end + 2);
    skip_after_tag(sign, true);
  }

  // `sign` is what stands before the end of the tag that was just read.
  void skip_after_tag(char sign, bool trims_newline) {
    if (sign == '-') {
      const std::string_view rest = std::string_view(source_).substr(at_);
      advance(source_.size() - strip(rest, {.right = false}).size());
    } else if (trims_newline && sign != '+' && at_ < source_.size() && source_[at_] == '\n') {
      advance(at_ + 1);
    }
  }

  void lex_tag(bool is_block) {
    emit(is_block ? Token::Type::kBlockBegin : Token::Type::kVariableBegin, "");
    std::string closing;  // of the brackets that are open
    while (true) {
      const std::string_view rest = std::string_view(source_).substr(at_);
      advance(source_.size() - strip(rest, {.right = false}).size());
      if (at_ == source_.size()) throw Error("a tag without an end", line_);
      if (closing.empty() && lex_tag_end(is_block)) return;
      lex_token(closing);
    }
  }

  bool lex_tag_end(bool is_block) {
    const std::string_view rest = std::string_view(source_).substr(at_);
    const bool has_sign = rest[0] == '-' || (is_block && rest[0] == '+');
    if (!rest.substr(has_sign ? 1 : 0).starts_with(is_block ? "%}" : "}}")) return false;
    emit(is_block ? Token::Type::kBlockEnd : Token::Type::kVariableEnd, "");
    advance(at_ + (has_sign ? 3 : 2));
    skip_after_tag(has_sign ? rest[0] : '\0', is_block);
    return true;
  }

  void lex_token(std::string& closing) {
    const char first = source_[at_];
    if (is_name_start(first)) {
      size_t end = at_;
      while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
      if (end - at_ > kMaxNameBytes) throw Error("a name is longer than 1000 bytes", line_);
      emit_to(Token::Type::kName, end);
    } else if (is_digit(first)) {
      lex_number();
    } else if (first == '\'' || first == '"') {
      lex_string(first);
    } else {
      lex_operator(closing);
    }
  }

  void lex_number() {
    size_t end = skip_digits(at_);
    const size_t whole_end = end;
    const bool follows_dot = at_ > 0 && source_[at_ - 1] == '.';  // a.0.1 is two subscripts
    if (!follows_dot) {
      if (at(end) == '.' && is_digit(at(end + 1))) end = skip_digits(end + 1);
      if (at(end) == 'e' || at(end) == 'E') {
        const size_t digits = end + (at(end + 1) == '+' || at(end + 1) == '-' ? 2 : 1);
        if (is_digit(at(digits))) end = skip_digits(digits);
      }
    }
    emit_to(end == whole_end ? Token::Type::kInteger : Token::Type::kFloat, end);
  }

  void lex_string(char quote) {
    size_t end = at_ + 1;
    while (at(end) != quote) {
      end += at(end) == '\\' ? 2 : 1;
      if (end >= source_.size()) throw Error("a string without an end", line_);
    }
    emit(Token::Type::kString,
         Unescaper(std::string_view(source_).substr(at_ + 1, end - at_ - 1), line_).run());
    advance(end + 1);
  }

  void lex_operator(std::string& closing) {
    const std::string_view rest = std::string_view(source_).substr(at_);
    const auto* found =
        std::find_if(kOperators.begin(), kOperators.end(),
                     [rest](std::string_view symbol) { return rest.starts_with(symbol); });
    if (found == kOperators.end()) {
      const std::string_view character = rest.substr(0, next_character(rest, 0));
      throw Error("unexpected character " + repr(character), line_);
    }
    const char symbol = found->front();
    if (symbol == '(') closing += ')';
    if (symbol == '[') closing += ']';
    if (symbol == '{') closing += '}';
    if (symbol == ')' || symbol == ']' || symbol == '}') {
      if (closing.empty() || closing.back() != symbol) {
        throw Error("unexpected '" + std::string(1, symbol) + "'", line_);
      }
      closing.pop_back();
    }
    emit_to(Token::Type::kOperator, at_ + found->size());
  }

  char at(size_t position) const { return position < source_.size() ? source_[position] : '\0'; }

  size_t skip_digits(size_t position) const {
    while (is_digit(at(position))) ++position;
    return position;
  }

  void emit(Token::Type type, std::string text) {
    if (type == Token::Type::kData && text.empty()) return;
    tokens_.push_back({type, line_, std::move(text)});
  }

  void emit_to(Token::Type type, size_t end) {
    emit(type, source_.substr(at_, end - at_));
    at_ = end;
  }

  void advance(size_t end) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at_ = end;
  }

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  if (source.size() > kMaxSourceBytes) throw Error("the template is longer than 1 MiB");
  if (!is_utf8(source)) throw Error("expected UTF-8");
  return Lexer(source).run();
}

std::string describe(const Token& token) {
  switch (token.type) {
    case Token::Type::kData:
      return "text";
    case Token::Type::kVariableBegin:
      return "'{{'";
    case Token::Type::kVariableEnd:
      return "'}}'";
    case Token::Type::kBlockBegin:
      return "'{%'";
    case Token::Type::kBlockEnd:
      return "'%}'";
    case Token::Type::kEnd:
      return "the end of the template";
    default:
      return "'" + token.text.substr(0, 60) + "'";
  }
}

}  // namespace eet::jinja
