#include "tokenizer/unicode/characters.h"

#include <algorithm>
#include <iterator>

#include "tokenizer/unicode/character_set.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

// Of the characters `first`, `first + step`, ... `last`, each with its lower case at `distance`.
struct LowercaseRun {
  char32_t first;
  char32_t last;
  int32_t distance;
  char32_t step;
};

struct ScriptRun {
  char32_t first;
  int32_t script;
};

#include "tokenizer/unicode/character_data.inc"

}  // namespace

bool is_white_space(char32_t c) {
  static const CharacterSet kSet(kWhiteSpace);
  return kSet.contains(c);
}

bool is_word_character(char32_t c) {
  static const CharacterSet kSet(kWordCharacters);
  return kSet.contains(c);
}

bool is_numeric(char32_t c) {
  static const CharacterSet kSet(kNumeric);
  return kSet.contains(c);
}

bool is_punctuation(char32_t c) {
  static const CharacterSet kSet(kPunctuation);
  return kSet.contains(c);
}

bool is_combining_mark(char32_t c) {
  static const CharacterSet kSet(kCombiningMarks);
  return kSet.contains(c);
}

size_t leading_space_length(std::string_view text) {
  size_t length = 0;
  for (size_t at = 0; at < text.size(); length = at) {
    if (!is_white_space(next_code_point(text, at))) break;
  }
  return length;
}

size_t length_without_trailing_space(std::string_view text) {
  while (!text.empty()) {
    const size_t last = start_of_last_character(text);
    size_t at = last;
    if (!is_white_space(next_code_point(text, at))) break;
    text = text.substr(0, last);
  }
  return text.size();
}

int32_t script_of(char32_t c) {
  const auto* after =
      std::upper_bound(std::begin(kScripts), std::end(kScripts), c,
                       [](char32_t value, const ScriptRun& run) { return value < run.first; });
  return std::prev(after)->script;  // the first run begins at 0
}

void append_lowercase(std::string& text, char32_t c) {
  constexpr char32_t kCapitalIWithDot = 0x130;
  if (c == kCapitalIWithDot) {
    text += "i\u0307";
    return;
  }
  const auto* run = std::lower_bound(
      std::begin(kLowercase), std::end(kLowercase), c,
      [](const LowercaseRun& entry, char32_t value) { return entry.last < value; });
  const bool inside =
      run != std::end(kLowercase) && run->first <= c && (c - run->first) % run->step == 0;
  append_code_point(text, inside ? c + static_cast<char32_t>(run->distance) : c);
}

}  // namespace eet
