// Regular expressions as tokenizer files have them, run by the library that the reference runs:
// Oniguruma, in its default (Ruby's) syntax.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "tokenizer/function_ref.h"

namespace eet {

struct TextRange {
  size_t begin;
  size_t end;
};

using MatchVisitor = FunctionRef<void(const TextRange&)>;

class Regex {
 public:
  // `where` names the pattern in messages ("tokenizer.json: pre_tokenizer.pattern"). TokenizerError
  // for a pattern that does not compile.
  Regex(const std::string& pattern, std::string where);

  // Calls visit(match) for all matches in `text` (valid UTF-8), from left to right. An empty match
  // never follows directly upon the match before it. Thread-safe. TokenizerError where matching
  // costs too much.
  void find_all(std::string_view text, MatchVisitor visit) const;

 private:
  struct Compiled;
  class Searches;
  std::shared_ptr<const Compiled> compiled_;
  std::string where_;
};

}  // namespace eet
