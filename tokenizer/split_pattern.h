// The regular expressions that cut text into words before BPE, run as the models' files give them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace eet {

// A compiled pattern. PCRE2, because the patterns of GPT-2 and its successors need lookahead.
class SplitPattern {
 public:
  enum class Syntax { kRegex, kLiteral };
  enum class Keep {
    kAll,
    kMatches,
    kGaps
  };  // what becomes a piece: matches, the text between them

  // `where` names the pattern in messages ("tokenizer.json: pre_tokenizer").
  SplitPattern(std::string_view pattern, Syntax syntax, Keep keep, std::string where);
  ~SplitPattern();
  SplitPattern(SplitPattern&&) noexcept;
  SplitPattern& operator=(SplitPattern&&) = delete;

  // Appends the non-empty pieces of `text` (valid UTF-8), in order. Thread-safe.
  void split(std::string_view text, std::vector<std::string_view>& pieces) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace eet
