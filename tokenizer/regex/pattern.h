// What a Split or Replace of a tokenizer file looks for.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tokenizer/regex/regex.h"

namespace eet {

// Throws TokenizerError where putting `content_bytes` in for each of `matches` matches would take
// more memory than any honest file needs.
void check_replacements(size_t matches, size_t content_bytes);

// Finds what it stands for in text. Immutable: any number of threads may use one.
class Pattern {
 public:
  virtual ~Pattern() = default;

  // Calls visit(match) for all matches in `text` (valid UTF-8), from left to right; they do not
  // overlap. There may be as many as bytes: whoever lists them needs 16 times the text.
  virtual void find_all(std::string_view text, MatchVisitor visit) const = 0;

  // The regular expression `source`. Those that many models share are matched by hand-written code,
  // which is several times as fast. `where` names the pattern in messages.
  static std::unique_ptr<Pattern> regex(const std::string& source, std::string where);

  // `text` as it stands; the empty one is found between any two characters.
  static std::unique_ptr<Pattern> literal(const std::string& text, std::string where);

  // Every single character that `is_member` takes.
  static std::unique_ptr<Pattern> character(bool (*is_member)(char32_t));
};

}  // namespace eet
