#include "tokenizer/regex/known_patterns.h"

#include <array>
#include <cstdint>
#include <span>

#include "tokenizer/regex/unicode_encoding.h"
#include "tokenizer/unicode/character_set.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

enum class Kind : uint8_t { kOther, kLetter, kNumber, kSpace, kLineBreak };

CharacterSet property(std::string_view name) {
  OnigEncoding encoding = unicode_encoding();
  auto* begin = const_cast<OnigUChar*>(reinterpret_cast<const OnigUChar*>(name.data()));
  const int ctype = encoding->property_name_to_ctype(encoding, begin, begin + name.size());
  OnigCodePoint single_byte_end = 0;
  const OnigCodePoint* ranges = nullptr;
  encoding->get_ctype_code_range(static_cast<OnigCtype>(ctype), &single_byte_end, &ranges);
  std::vector<CodePointRange> list;
  for (OnigCodePoint i = 0; i < ranges[0]; ++i) {
    list.push_back({ranges[1 + 2 * i], ranges[2 + 2 * i]});
  }
  return CharacterSet(list);
}

class Kinds {
 public:
  Kinds() {
    for (char32_t c = 0; c < ascii_.size(); ++c) ascii_[c] = look_up(c);
  }

  // The kind of the character at `at`, which moves behind it.
  Kind next(std::string_view text, size_t& at) const {
    const auto byte = static_cast<uint8_t>(text[at]);
    if (byte < ascii_.size()) {
      ++at;
      return ascii_[byte];
    }
    return look_up(next_code_point(text, at));
  }

 private:
  Kind look_up(char32_t c) const {
    if (letters_.contains(c)) return Kind::kLetter;
    if (c == '\r' || c == '\n') return Kind::kLineBreak;
    if (spaces_.contains(c)) return Kind::kSpace;
    return numbers_.contains(c) ? Kind::kNumber : Kind::kOther;
  }

  CharacterSet letters_ = property("L");
  CharacterSet numbers_ = property("N");
  CharacterSet spaces_ = property("space");
  std::array<Kind, 0x80> ascii_{};
};

const Kinds& kinds() {
  static const Kinds all;
  return all;
}

bool is_space(Kind kind) {
  return kind == Kind::kSpace || kind == Kind::kLineBreak;
}

// Where the characters of `kind` end that begin at `at`, `most` of them at most.
size_t end_of_run(std::string_view text, size_t at, Kind kind, size_t most = SIZE_MAX) {
  while (at < text.size() && most-- > 0) {
    size_t next = at;
    if (kinds().next(text, next) != kind) break;
    at = next;
  }
  return at;
}

// \s+(?!\S)|\s+ at `at`, where there is white space: a run of it without its last character,
// unless the text ends there or the run is no longer.
size_t end_of_space(std::string_view text, size_t at) {
  const size_t begin = at;
  size_t last = at;
  while (at < text.size()) {
    size_t next = at;
    if (!is_space(kinds().next(text, next))) return last == begin ? at : last;
    last = at;
    at = next;
  }
  return at;
}

// Bytes of 's, 't, 're, 've, 'm, 'll or 'd at `at`; 0 where there is none. `any_case` takes
// capitals and the long s (U+017F), the other case of s.
size_t contraction_length(std::string_view text, size_t at, bool any_case) {
  if (text[at] != '\'' || at + 1 == text.size()) return 0;
  const auto letter = [&](size_t index) -> char {
    if (index >= text.size()) return '\0';
    const char c = text[index];
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = letter(at + 1);
  const char second = letter(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if ((first == 'r' || first == 'v') && second == 'e') return 3;
  if (first == 'l' && second == 'l') return 3;
  return any_case && text.substr(at + 1).starts_with("\u017F") ? 3 : 0;
}

class Gpt2Pattern final : public Pattern {
 public:
  void find_all(std::string_view text, MatchVisitor visit) const override {
    for (size_t at = 0; at < text.size();) {
      const size_t end = match(text, at);
      visit(TextRange{at, end});
      at = end;
    }
  }

 private:
  static size_t match(std::string_view text, size_t at) {
    if (const size_t length = contraction_length(text, at, false)) return at + length;
    size_t behind = at;
    Kind kind = kinds().next(text, behind);
    if (text[at] == ' ' && behind < text.size()) {  // the optional space of the first three
      size_t next = behind;
      const Kind following = kinds().next(text, next);
      if (!is_space(following)) {
        behind = next;
        kind = following;
      }
    }
    return is_space(kind) ? end_of_space(text, at) : end_of_run(text, behind, kind);
  }
};

// Qwen2's and its like.
class Cl100kPattern final : public Pattern {
 public:
  explicit Cl100kPattern(size_t most_digits) : most_digits_(most_digits) {}

  void find_all(std::string_view text, MatchVisitor visit) const override {
    for (size_t at = 0; at < text.size();) {
      const size_t end = match(text, at);
      visit(TextRange{at, end});
      at = end;
    }
  }

 private:
  size_t match(std::string_view text, size_t at) const {
    if (const size_t length = contraction_length(text, at, true)) return at + length;
    size_t behind = at;
    const Kind kind = kinds().next(text, behind);
    if (kind == Kind::kLetter) return end_of_run(text, behind, kind);
    if (kind == Kind::kNumber) return end_of_run(text, behind, kind, most_digits_ - 1);
    size_t after_next = behind;
    const bool is_last = behind == text.size();
    const Kind next = is_last ? Kind::kSpace : kinds().next(text, after_next);
    if (kind != Kind::kLineBreak && next == Kind::kLetter) {
      return end_of_run(text, after_next, next);
    }
    if (kind == Kind::kOther) return end_of_symbols(text, behind);
    if (text[at] == ' ' && next == Kind::kOther) return end_of_symbols(text, after_next);
    // \s*[\r\n]+: up to the last line break of the run of white space, if it has one.
    size_t line_end = at;
    for (size_t i = at; i < text.size();) {
      const Kind here = kinds().next(text, i);
      if (!is_space(here)) break;
      if (here == Kind::kLineBreak) line_end = i;
    }
    return line_end > at ? line_end : end_of_space(text, at);
  }

  // [^\s\p{L}\p{N}]*[\r\n]*
  static size_t end_of_symbols(std::string_view text, size_t at) {
    return end_of_run(text, end_of_run(text, at, Kind::kOther), Kind::kLineBreak);
  }

  size_t most_digits_;
};

}  // namespace

std::unique_ptr<Pattern> make_known_pattern(std::string_view source) {
  if (source == kGpt2Pattern) return std::make_unique<Gpt2Pattern>();
  if (source == kQwen2Pattern) return std::make_unique<Cl100kPattern>(1);
  if (source == kLlama3Pattern) return std::make_unique<Cl100kPattern>(3);
  return nullptr;
}

}  // namespace eet
