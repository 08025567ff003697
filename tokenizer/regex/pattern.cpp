#include "tokenizer/regex/pattern.h"

#include <cstring>
#include <utility>

#include "tokenizer/regex/known_patterns.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

class RegexPattern final : public Pattern {
 public:
  RegexPattern(const std::string& source, std::string where) : regex_(source, std::move(where)) {}

  void find_all(std::string_view text, MatchVisitor visit) const override {
    regex_.find_all(text, visit);
  }

 private:
  Regex regex_;
};

class LiteralPattern final : public Pattern {
 public:
  explicit LiteralPattern(std::string text) : literal_(std::move(text)) {}

  void find_all(std::string_view text, MatchVisitor visit) const override {
    // memmem takes linear time, and std::string_view::find the product of both lengths.
    const char* const end = text.data() + text.size();
    for (const char* at = text.data();;) {
      const void* const found =
          ::memmem(at, static_cast<size_t>(end - at), literal_.data(), literal_.size());
      if (found == nullptr) return;
      const auto begin = static_cast<size_t>(static_cast<const char*>(found) - text.data());
      visit(TextRange{begin, begin + literal_.size()});
      at = text.data() + begin + literal_.size();
    }
  }

 private:
  std::string literal_;  // not empty
};

class CharacterPattern final : public Pattern {
 public:
  explicit CharacterPattern(bool (*is_member)(char32_t)) : is_member_(is_member) {}

  void find_all(std::string_view text, MatchVisitor visit) const override {
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      if (is_member_(next_code_point(text, at))) visit(TextRange{begin, at});
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
