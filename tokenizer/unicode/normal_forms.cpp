// Tables of our own instead of ICU or utf8proc: those of the reference are of an older Unicode than
// any library in use has, and marks added since then stay where they are.
#include "tokenizer/unicode/normal_forms.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "tokenizer/utf8.h"

namespace eet {
namespace {

// `length` characters of kDecompositionPool from `start` on.
struct Decomposition {
  char32_t composed;
  uint16_t start;
  uint16_t length;
};

struct Composition {
  char32_t first;
  char32_t second;
  char32_t composed;
};

struct CombiningRange {
  char32_t first;
  char32_t last;
  uint8_t combining_class;
};

#include "tokenizer/unicode/normal_form_data.inc"

constexpr char32_t kFirstAffected = 0x300;  // below, every character is its own normal form

// Hangul, UAX #15 section 16: syllables are computed from their leading, vowel and trailing parts.
constexpr char32_t kSyllableBase = 0xAC00;
constexpr char32_t kLeadingBase = 0x1100;
constexpr char32_t kVowelBase = 0x1161;
constexpr char32_t kTrailingBase = 0x11A7;
constexpr char32_t kLeadingCount = 19;
constexpr char32_t kVowelCount = 21;
constexpr char32_t kTrailingCount = 28;
constexpr char32_t kSyllableCount = kLeadingCount * kVowelCount * kTrailingCount;

template <size_t kSize>
const Decomposition* find_decomposition(const Decomposition (&table)[kSize], char32_t c) {
  const auto* found = std::lower_bound(
      std::begin(table), std::end(table), c,
      [](const Decomposition& entry, char32_t value) { return entry.composed < value; });
  return found != std::end(table) && found->composed == c ? found : nullptr;
}

uint8_t combining_class(char32_t c) {
  if (c < kFirstAffected) return 0;
  const auto* found = std::lower_bound(
      std::begin(kCombiningClasses), std::end(kCombiningClasses), c,
      [](const CombiningRange& range, char32_t value) { return range.last < value; });
  const bool inside = found != std::end(kCombiningClasses) && found->first <= c;
  return inside ? found->combining_class : 0;
}

// The character that the two form; 0 if none.
char32_t compose(char32_t first, char32_t second) {
  if (first - kLeadingBase < kLeadingCount && second - kVowelBase < kVowelCount) {
    return kSyllableBase +
           ((first - kLeadingBase) * kVowelCount + second - kVowelBase) * kTrailingCount;
  }
  const char32_t syllable = first - kSyllableBase;
  const char32_t trailing = second - kTrailingBase;
  if (syllable < kSyllableCount && syllable % kTrailingCount == 0 && trailing > 0 &&
      trailing < kTrailingCount) {
    return first + trailing;
  }
  const auto* found =
      std::lower_bound(std::begin(kCompositions), std::end(kCompositions), std::pair(first, second),
                       [](const Composition& entry, const auto& parts) {
                         return std::pair(entry.first, entry.second) < parts;
                       });
  const bool composes =
      found != std::end(kCompositions) && found->first == first && found->second == second;
  return composes ? found->composed : 0;
}

// Characters that may combine with the one before them although their combining class is 0.
const std::vector<char32_t>& composing_starters() {
  static const std::vector<char32_t> sorted = [] {
    std::vector<char32_t> list;
    for (const Composition& entry : kCompositions) {
      if (combining_class(entry.second) == 0) list.push_back(entry.second);
    }
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
    return list;
  }();
  return sorted;
}

// Whether NFC gives the character itself again.
bool recomposes(const Decomposition& entry) {
  char32_t joined = kDecompositionPool[entry.start];
  for (size_t i = 1; i < entry.length; ++i) {
    joined = compose(joined, kDecompositionPool[entry.start + i]);
  }
  return joined == entry.composed;
}

// Whether NFC leaves `c` as it is whatever stands around it, unless a following character joins it.
bool is_inert(char32_t c) {
  if (c < kFirstAffected) return true;
  if (c - kVowelBase < kVowelCount || c - kTrailingBase < kTrailingCount) return false;
  if (combining_class(c) != 0) return false;
  const Decomposition* decomposition = find_decomposition(kCanonicalDecompositions, c);
  if (decomposition != nullptr && !recomposes(*decomposition)) return false;
  return !std::binary_search(composing_starters().begin(), composing_starters().end(), c);
}

bool is_composed(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (static_cast<uint8_t>(text[at]) < 0xCC) {  // lead and continuation bytes below U+0300
      ++at;
    } else if (!is_inert(next_code_point(text, at))) {
      return false;
    }
  }
  return true;
}

struct Character {
  char32_t code_point;
  uint8_t combining_class;
};

void append_decomposed(char32_t c, bool compatibility, std::vector<Character>& out) {
  const char32_t syllable = c - kSyllableBase;
  if (syllable < kSyllableCount) {
    out.push_back({kLeadingBase + syllable / (kVowelCount * kTrailingCount), 0});
    out.push_back({kVowelBase + syllable / kTrailingCount % kVowelCount, 0});
    if (syllable % kTrailingCount != 0) {
      out.push_back({kTrailingBase + syllable % kTrailingCount, 0});
    }
    return;
  }
  const Decomposition* entry =
      compatibility ? find_decomposition(kCompatibilityDecompositions, c) : nullptr;
  if (entry == nullptr) entry = find_decomposition(kCanonicalDecompositions, c);
  if (entry == nullptr) {
    out.push_back({c, combining_class(c)});
    return;
  }
  for (size_t i = 0; i < entry->length; ++i) {
    const char32_t part = kDecompositionPool[entry->start + i];
    out.push_back({part, combining_class(part)});
  }
}

// Marks that follow a starter come in the order of their classes.
void order_marks(std::vector<Character>& characters) {
  const auto is_starter = [](const Character& c) { return c.combining_class == 0; };
  auto begin = characters.begin();
  while (begin != characters.end()) {
    begin = std::find_if_not(begin, characters.end(), is_starter);
    const auto end = std::find_if(begin, characters.end(), is_starter);
    std::stable_sort(begin, end, [](const Character& a, const Character& b) {
      return a.combining_class < b.combining_class;
    });
    begin = end;
  }
}

// Joins each character to the last starter where the two compose and nothing between blocks it.
void compose_in_place(std::vector<Character>& characters) {
  size_t kept = 0;
  std::optional<size_t> starter;
  for (const Character c : characters) {
    if (starter) {
      const bool adjacent = *starter + 1 == kept;
      const bool blocked = !adjacent && characters[kept - 1].combining_class >= c.combining_class;
      const char32_t joined = blocked ? 0 : compose(characters[*starter].code_point, c.code_point);
      if (joined != 0) {
        characters[*starter].code_point = joined;
        continue;
      }
    }
    if (c.combining_class == 0) starter = kept;
    characters[kept++] = c;
  }
  characters.resize(kept);
}

}  // namespace

std::string to_normal_form(std::string_view text, NormalForm form) {
  if (form == NormalForm::kC && is_composed(text)) return std::string(text);
  const bool compatibility = form == NormalForm::kKC || form == NormalForm::kKD;
  std::vector<Character> characters;
  characters.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    append_decomposed(next_code_point(text, at), compatibility, characters);
  }
  order_marks(characters);
  if (form == NormalForm::kC || form == NormalForm::kKC) compose_in_place(characters);
  std::string normal;
  normal.reserve(text.size());
  for (const Character& c : characters) append_code_point(normal, c.code_point);
  return normal;
}

}  // namespace eet
