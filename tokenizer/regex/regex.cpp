#include "tokenizer/regex/regex.h"

#include <oniguruma.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <new>
#include <utility>

#include "tokenizer/regex/unicode_encoding.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

// Backtracking steps of one attempt to match, which is the library's and so the reference's limit.
constexpr unsigned long kStepsPerAttempt = 10'000'000;
// Steps of one search, from one match to the next, that cost a text nothing. Real patterns take
// tens a byte.
constexpr unsigned long kFreeSteps = 200;
// Steps that the dearer searches of a text may take together. The reference has no such limit: a
// pattern that exceeds it would run for minutes there.
constexpr unsigned long kStepsPerText = 50'000'000;
constexpr unsigned long kStepsPerByte = 200;
// Entries of the backtracking stack, about 50 bytes each.
constexpr unsigned int kMaxStack = 1U << 22;

// The library counts steps back only. A step that looks at the whole text, as of (?!a*b) at each of
// a million letters, is one to it: what it takes is known only by the clock.
constexpr double kSecondsPerText = 10;
constexpr double kSecondsPerByte = 1e-6;

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

// The time that this thread has run since the watch was made.
class ProcessorWatch {
 public:
  // Asks the system, which is dear, only once that much time has passed at all.
  bool has_run(double seconds) const {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
    return passed.count() >= seconds && thread_seconds() - thread_start_ >= seconds;
  }

 private:
  static double thread_seconds() {
    constexpr double kNanosecond = 1e-9;
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + kNanosecond * static_cast<double>(time.tv_nsec);
  }

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double thread_start_ = thread_seconds();
};

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

// Searches in one text that share one limit. The library does not tell how many steps a search
// took, only that it took too many: a search is tried with few, then with twice as many, and so on,
// and what it was last allowed is what it costs. Between the tries the clock is looked at.
class Regex::Searches {
 public:
  explicit Searches(size_t text_size)
      : steps_left_(kStepsPerText + kStepsPerByte * text_size),
        seconds_(kSecondsPerText + kSecondsPerByte * static_cast<double>(text_size)) {
    if (!region_ || !limits_) throw std::bad_alloc();
    onig_initialize_match_param(limits_.get());
    onig_set_retry_limit_in_match_of_match_param(limits_.get(), kStepsPerAttempt);
    onig_set_match_stack_limit_size_of_match_param(limits_.get(), kMaxStack);
  }

  // As onig_search().
  int search(OnigRegex regex, const OnigUChar* begin, const OnigUChar* end,
             const OnigUChar* start) {
    for (unsigned long steps = kFreeSteps;; steps = std::min(2 * steps, steps_left_)) {
      onig_set_retry_limit_in_search_of_match_param(limits_.get(), steps);
      const int found = onig_search_with_param(regex, begin, end, start, end, region_.get(),
                                               ONIG_OPTION_NONE, limits_.get());
      if (steps > kFreeSteps) steps_left_ -= steps;
      const bool may_go_on = steps_left_ > kFreeSteps && !take_too_long();
      if (found != ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER || !may_go_on) return found;
    }
  }

  bool take_too_long() const { return watch_.has_run(seconds_); }

  TextRange match() const {
    return {static_cast<size_t>(region_->beg[0]), static_cast<size_t>(region_->end[0])};
  }

 private:
  std::unique_ptr<OnigRegion, FreeRegion> region_{onig_region_new()};
  std::unique_ptr<OnigMatchParam, FreeMatchParam> limits_{onig_new_match_param()};
  unsigned long steps_left_;
  double seconds_;
  ProcessorWatch watch_;
};

void Regex::find_all(std::string_view text, MatchVisitor visit) const {
  Searches searches(text.size());
  const OnigUChar* begin = bytes_of(text);
  const OnigUChar* end = begin + text.size();
  size_t start = 0;
  size_t last_end = std::string_view::npos;
  while (start <= text.size()) {
    const int found = searches.search(compiled_->regex, begin, end, begin + start);
    if (found == ONIG_MISMATCH) return;
    const bool takes_too_long = searches.take_too_long();
    if (found < 0 || takes_too_long) {
      const std::string reason = takes_too_long ? "it takes too long" : error_text(found, nullptr);
      throw TokenizerError(where_ + ": the pattern gave up on a text of " +
                           std::to_string(text.size()) + " bytes: " + reason);
    }
    const TextRange match = searches.match();
    if (match.begin == match.end && match.end == last_end) {
      if (start == text.size()) return;
      next_code_point(text, start);
      continue;
    }
    visit(match);
    start = last_end = match.end;
  }
}

}  // namespace eet
