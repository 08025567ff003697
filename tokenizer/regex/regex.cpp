#include "tokenizer/regex/regex.h"

#include <oniguruma.h>

#include <new>
#include <utility>

#include "tokenizer/regex/unicode_encoding.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

// Backtracking steps of one attempt to match, which is the library's and so the reference's limit.
constexpr unsigned long kStepsPerAttempt = 10'000'000;
// Steps between one match and the next, more where there is more text between. The reference has no
// such limit: a pattern that exceeds it would run for minutes there.
constexpr unsigned long kStepsPerSearch = 100'000'000;
constexpr unsigned long kStepsPerByte = 1'000;
// Entries of the backtracking stack, about 50 bytes each.
constexpr unsigned int kMaxStack = 1U << 22;

struct FreeRegion {
  void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
};
struct FreeMatchParam {
  void operator()(OnigMatchParam* param) const { onig_free_match_param(param); }
};

const OnigUChar* bytes_of(std::string_view text) {
  return reinterpret_cast<const OnigUChar*>(text.data());
}

std::string error_text(int code, OnigErrorInfo* info) {
  OnigUChar buffer[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int length = info != nullptr ? onig_error_code_to_str(buffer, code, info)
                                     : onig_error_code_to_str(buffer, code);
  return std::string(reinterpret_cast<const char*>(buffer), static_cast<size_t>(length));
}

}  // namespace

struct Regex::Compiled {
  OnigRegex regex = nullptr;
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() { onig_free(regex); }
};

Regex::Regex(const std::string& pattern, std::string where) : where_(std::move(where)) {
  auto compiled = std::make_shared<Compiled>();
  OnigErrorInfo info{};
  const OnigUChar* begin = bytes_of(pattern);
  const int error = onig_new(&compiled->regex, begin, begin + pattern.size(), ONIG_OPTION_NONE,
                             unicode_encoding(), ONIG_SYNTAX_DEFAULT, &info);
  if (error != ONIG_NORMAL) {
    throw TokenizerError(where_ + ": the pattern does not compile: " + error_text(error, &info) +
                         ", in " + pattern.substr(0, 200));
  }
  compiled_ = std::move(compiled);
}

void Regex::find_all(std::string_view text, std::vector<TextRange>& matches) const {
  const std::unique_ptr<OnigRegion, FreeRegion> region(onig_region_new());
  const std::unique_ptr<OnigMatchParam, FreeMatchParam> limits(onig_new_match_param());
  if (!region || !limits) throw std::bad_alloc();
  onig_initialize_match_param(limits.get());
  onig_set_retry_limit_in_match_of_match_param(limits.get(), kStepsPerAttempt);
  onig_set_retry_limit_in_search_of_match_param(limits.get(),
                                                kStepsPerSearch + kStepsPerByte * text.size());
  onig_set_match_stack_limit_size_of_match_param(limits.get(), kMaxStack);

  const OnigUChar* begin = bytes_of(text);
  const OnigUChar* end = begin + text.size();
  size_t start = 0;
  size_t last_end = std::string_view::npos;
  while (start <= text.size()) {
    const int found = onig_search_with_param(compiled_->regex, begin, end, begin + start, end,
                                             region.get(), ONIG_OPTION_NONE, limits.get());
    if (found == ONIG_MISMATCH) return;
    if (found < 0) {
      throw TokenizerError(where_ + ": the pattern gave up on a text of " +
                           std::to_string(text.size()) + " bytes: " + error_text(found, nullptr));
    }
    const TextRange match{static_cast<size_t>(region->beg[0]), static_cast<size_t>(region->end[0])};
    if (match.begin == match.end && match.end == last_end) {
      if (start == text.size()) return;
      next_code_point(text, start);
      continue;
    }
    matches.push_back(match);
    start = last_end = match.end;
  }
}

}  // namespace eet
