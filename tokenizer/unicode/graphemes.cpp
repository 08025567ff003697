#include "tokenizer/unicode/graphemes.h"

#include "tokenizer/unicode/character_set.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

#include "tokenizer/unicode/grapheme_data.inc"

constexpr char32_t kZeroWidthJoiner = 0x200D;
constexpr char32_t kFirstSyllable = 0xAC00;
constexpr char32_t kLastSyllable = 0xD7A3;
constexpr char32_t kTrailingCount = 28;

struct Sets {
  CharacterSet control{kControl};
  CharacterSet extend{kExtend};
  CharacterSet spacing_mark{kSpacingMark};
  CharacterSet prepend{kPrepend};
  CharacterSet leading{kHangulLeading};
  CharacterSet vowel{kHangulVowel};
  CharacterSet trailing{kHangulTrailing};
  CharacterSet linker{kConjunctLinker};
  CharacterSet consonant{kConjunctConsonant};
  CharacterSet conjunct_extend{kConjunctExtend};
  CharacterSet pictographic{kPictographic};
};

const Sets& sets() {
  static const Sets all;
  return all;
}

bool is_syllable(char32_t c) {
  return c >= kFirstSyllable && c <= kLastSyllable;
}

// Whether the syllable ends in a vowel: Hangul_Syllable_Type=LV.
bool is_open_syllable(char32_t c) {
  return is_syllable(c) && (c - kFirstSyllable) % kTrailingCount == 0;
}

bool is_regional_indicator(char32_t c) {
  return c >= 0x1F1E6 && c <= 0x1F1FF;
}

// GB6, GB7, GB8
bool joins_hangul(char32_t before, char32_t c) {
  if (sets().leading.contains(before)) {
    return sets().leading.contains(c) || sets().vowel.contains(c) || is_syllable(c);
  }
  if (is_open_syllable(before) || sets().vowel.contains(before)) {
    return sets().vowel.contains(c) || sets().trailing.contains(c);
  }
  return (is_syllable(before) || sets().trailing.contains(before)) && sets().trailing.contains(c);
}

// What of the characters of a cluster the rules look back at.
class Cluster {
 public:
  explicit Cluster(char32_t first) { add(first); }

  bool takes(char32_t c) const {
    if (before_ == '\r' && c == '\n') return true;                                     // GB3
    if (sets().control.contains(before_) || sets().control.contains(c)) return false;  // GB4, 5
    if (sets().extend.contains(c) || sets().spacing_mark.contains(c)) return true;     // GB9, 9a
    if (sets().prepend.contains(before_) || joins_hangul(before_, c)) return true;     // GB9b
    if (has_linker_ && sets().consonant.contains(c)) return true;                      // GB9c
    if (has_joined_picture_ && sets().pictographic.contains(c)) return true;           // GB11
    return odd_indicators_ && is_regional_indicator(before_) && is_regional_indicator(c);  // GB12
  }

  void add(char32_t c) {
    const bool is_extend = sets().extend.contains(c);
    has_joined_picture_ = has_picture_ && c == kZeroWidthJoiner;
    has_picture_ = sets().pictographic.contains(c) || (has_picture_ && is_extend);
    const bool is_linker = sets().linker.contains(c);
    has_linker_ =
        has_consonant_ && (is_linker || (has_linker_ && sets().conjunct_extend.contains(c)));
    has_consonant_ = sets().consonant.contains(c) ||
                     (has_consonant_ && (is_linker || sets().conjunct_extend.contains(c)));
    odd_indicators_ = is_regional_indicator(c) && !odd_indicators_;
    before_ = c;
  }

 private:
  char32_t before_ = 0;
  bool has_picture_ = false;         // a pictograph and marks so far
  bool has_joined_picture_ = false;  // and a joiner at the end
  bool has_consonant_ = false;       // a consonant, linkers and marks so far
  bool has_linker_ = false;          // one linker at least among them
  bool odd_indicators_ = false;      // an odd number of regional indicators at the end
};

}  // namespace

size_t end_of_grapheme(std::string_view text, size_t begin) {
  size_t end = begin;
  Cluster cluster(next_code_point(text, end));
  while (end < text.size()) {
    size_t next = end;
    const char32_t c = next_code_point(text, next);
    if (!cluster.takes(c)) break;
    cluster.add(c);
    end = next;
  }
  return end;
}

}  // namespace eet
