#include "tokenizer/regex/pattern.h"

#include <utility>

#include "tokenizer/regex/known_patterns.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

class RegexPattern final : public Pattern {
 public:
  RegexPattern(const std::string& source, std::string where) : regex_(source, std::move(where)) {}

  void find_all(std::string_view text, std::vector<TextRange>& matches) const override {
    regex_.find_all(text, matches);
  }

 private:
  Regex regex_;
};

class LiteralPattern final : public Pattern {
 public:
  explicit LiteralPattern(std::string text) : literal_(std::move(text)) {}

  void find_all(std::string_view text, std::vector<TextRange>& matches) const override {
    size_t at = 0;
    while ((at = text.find(literal_, at)) != std::string_view::npos) {
      matches.push_back({at, at + literal_.size()});
      at += literal_.size();
    }
  }

 private:
  std::string literal_;  // not empty
};

class CharacterPattern final : public Pattern {
 public:
  explicit CharacterPattern(bool (*is_member)(char32_t)) : is_member_(is_member) {}

  void find_all(std::string_view text, std::vector<TextRange>& matches) const override {
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      if (is_member_(next_code_point(text, at))) matches.push_back({begin, at});
    }
  }

 private:
  bool (*is_member_)(char32_t);
};

}  // namespace

void check_replacements(size_t matches, size_t content_bytes) {
  constexpr size_t kMostBytes = size_t{1} << 28;
  if (matches == 0 || content_bytes <= kMostBytes / matches) return;
  throw TokenizerError("text: expected at most " + std::to_string(kMostBytes) +
                       " bytes after Replace, got " + std::to_string(matches) + " matches for " +
                       std::to_string(content_bytes) + " bytes each");
}

std::unique_ptr<Pattern> Pattern::regex(const std::string& source, std::string where) {
  if (auto known = make_known_pattern(source)) return known;
  return std::make_unique<RegexPattern>(source, std::move(where));
}

std::unique_ptr<Pattern> Pattern::literal(const std::string& text, std::string where) {
  if (text.empty()) return std::make_unique<RegexPattern>(text, std::move(where));
  return std::make_unique<LiteralPattern>(text);
}

std::unique_ptr<Pattern> Pattern::character(bool (*is_member)(char32_t)) {
  return std::make_unique<CharacterPattern>(is_member);
}

}  // namespace eet
