#include "tokenizer/split_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <new>
#include <utility>

#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using MatchData = std::unique_ptr<pcre2_match_data, FreeMatchData>;

std::string error_text(int code) {
  PCRE2_UCHAR buffer[256];
  const int length = pcre2_get_error_message(code, buffer, sizeof(buffer));
  if (length < 0) return "PCRE2 error " + std::to_string(code);
  return std::string(reinterpret_cast<const char*>(buffer), static_cast<size_t>(length));
}

// PCRE2 counts U+180E (Mongolian vowel separator) as \s; Unicode since 6.3, and with it the engines
// the patterns were written for, does not. Matching runs on a copy in which U+200B, of the same
// length and of its category (Cf), stands for it, so the pattern itself stays as it is.
constexpr std::string_view kMongolianVowelSeparator = "\xE1\xA0\x8E";
constexpr std::string_view kZeroWidthSpace = "\xE2\x80\x8B";

std::string without_vowel_separator(std::string_view text, size_t first) {
  std::string copy(text);
  for (size_t at = first; at != std::string::npos; at = copy.find(kMongolianVowelSeparator, at)) {
    copy.replace(at, kZeroWidthSpace.size(), kZeroWidthSpace);
  }
  return copy;
}

}  // namespace

struct SplitPattern::Compiled {
  std::unique_ptr<pcre2_code, FreeCode> code;
  bool jit = false;
  Keep keep;
  std::string where;

  // Finds the next match at or after `start`; false when there is none.
  bool match(std::string_view subject, size_t start, pcre2_match_data* data) const;
};

bool SplitPattern::Compiled::match(std::string_view subject, size_t start,
                                   pcre2_match_data* data) const {
  const auto* begin = reinterpret_cast<PCRE2_SPTR>(subject.data());
  int result = PCRE2_ERROR_JIT_STACKLIMIT;
  if (jit) result = pcre2_jit_match(code.get(), begin, subject.size(), start, 0, data, nullptr);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter keeps its stack on the heap
    result = pcre2_match(code.get(), begin, subject.size(), start,
                         PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, nullptr);
  }
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) {
    throw TokenizerError(where + ": the split pattern gave up on a text of " +
                         std::to_string(subject.size()) + " bytes: " + error_text(result));
  }
  return true;
}

SplitPattern::SplitPattern(std::string_view pattern, Syntax syntax, Keep keep, std::string where)
    : compiled_(std::make_unique<Compiled>()) {
  const uint32_t options =
      PCRE2_UTF |
      (syntax == Syntax::kLiteral ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C);
  int error = 0;
  PCRE2_SIZE offset = 0;
  compiled_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                      options, &error, &offset, nullptr));
  if (!compiled_->code) {
    throw TokenizerError(where + ": the split pattern does not compile: " + error_text(error) +
                         " at offset " + std::to_string(offset) + " of " + std::string(pattern));
  }
  compiled_->jit = pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE) == 0;
  compiled_->keep = keep;
  compiled_->where = std::move(where);
}

SplitPattern::~SplitPattern() = default;
SplitPattern::SplitPattern(SplitPattern&&) noexcept = default;

void SplitPattern::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  const size_t separator = text.find(kMongolianVowelSeparator);
  std::string copy;
  std::string_view subject = text;
  if (separator != std::string_view::npos) {
    copy = without_vowel_separator(text, separator);
    subject = copy;
  }
  const auto keep_piece = [&](size_t begin, size_t end, Keep kind) {
    if (begin < end && (compiled_->keep == Keep::kAll || compiled_->keep == kind)) {
      pieces.push_back(text.substr(begin, end - begin));
    }
  };
  const MatchData data(pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
  if (!data) throw std::bad_alloc();
  size_t done = 0;   // everything before is in a piece
  size_t start = 0;  // where the next match may begin
  while (start < subject.size() && compiled_->match(subject, start, data.get())) {
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
    const size_t begin = std::max<size_t>(span[0], done);  // \K can move a match's start anywhere
    const size_t end = std::max<size_t>(span[1], begin);
    keep_piece(done, begin, Keep::kGaps);
    keep_piece(begin, end, Keep::kMatches);
    done = start = end;
    if (begin == end) {  // an empty match cuts here; the next one lies behind the next character
      if (start == subject.size()) break;
      next_code_point(subject, start);
    }
  }
  keep_piece(done, text.size(), Keep::kGaps);
}

}  // namespace eet
