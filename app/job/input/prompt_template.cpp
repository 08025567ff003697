#include "app/job/input/prompt_template.h"

#include <algorithm>

#include "app/job/input/json_members.h"

namespace eet {
namespace {

constexpr const char* kWhat = "prompt template: ";

char unescaped(std::string_view source, size_t at) {
  switch (at < source.size() ? source[at] : '\0') {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case '\\':
      return '\\';
    default:
      throw Error(concat(kWhat, "expected \\n, \\t, \\r or \\\\ at byte ", at, ", got \"\\",
                         source.substr(at, 1), "\""));
  }
}

}  // namespace

PromptTemplate::PromptTemplate(std::string_view source) {
  for (size_t at = 0; at < source.size(); ++at) {
    const char c = source[at];
    const bool doubled = source.substr(at + 1, 1) == std::string_view(&c, 1);
    if (c == '\\') {
      append(unescaped(source, ++at));
    } else if (c != '{' && c != '}') {
      append(c);
    } else if (doubled) {
      append(c);
      ++at;
    } else {
      require(c == '{', kWhat, "the } at byte ", at + 1, " closes nothing: write }} for a brace");
      const size_t end = source.find_first_of("{}", at + 1);
      require(end != std::string_view::npos && source[end] == '}', kWhat, "the { at byte ", at + 1,
              " has no }: write {{ for a brace");
      require(end > at + 1, kWhat, "the {} at byte ", at + 1, " names no field");
      pieces_.push_back({std::string(source.substr(at + 1, end - at - 1)), /*is_field=*/true});
      at = end;
    }
  }
  require(!fields().empty(), kWhat, "expected at least one {field}, got none");
}

void PromptTemplate::append(char c) {
  if (pieces_.empty() || pieces_.back().is_field) pieces_.emplace_back();
  pieces_.back().text += c;
}

std::string PromptTemplate::render(const FieldText& field_text) const {
  std::string prompt;
  for (const Piece& piece : pieces_) {
    if (!piece.is_field) {
      prompt += piece.text;
      continue;
    }
    const std::optional<std::string> text = field_text(piece.text);
    if (!text) {
      throw BadRow({"missing_field",
                    concat("expected a field ", piece.text, " for the prompt template, got none")});
    }
    prompt += *text;
    if (prompt.size() > kMaxOutputRowBytes) {
      throw BadRow({"prompt_too_long", concat("expected a prompt of at most ", kMaxOutputRowBytes,
                                              " bytes from the prompt template, got more")});
    }
  }
  return prompt;
}

bool PromptTemplate::uses(std::string_view field) const {
  return std::ranges::any_of(
      pieces_, [&](const Piece& piece) { return piece.is_field && piece.text == field; });
}

std::vector<std::string> PromptTemplate::fields() const {
  std::vector<std::string> names;
  for (const Piece& piece : pieces_) {
    if (piece.is_field) names.push_back(piece.text);
  }
  return names;
}

}  // namespace eet
