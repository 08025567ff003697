#include "tokenizer/pipeline/component_fields.h"

#include "tokenizer/utf8.h"

namespace eet {

std::unique_ptr<Pattern> read_pattern(const JsonView& pattern) {
  const JsonView literal = pattern["String"];
  if (!literal.is_null()) return Pattern::literal(literal.string(), literal.where());
  const JsonView regex = pattern["Regex"];
  return Pattern::regex(regex.string(), regex.where());
}

const std::string& read_character(const JsonView& field) {
  const std::string& text = field.string();
  size_t at = 0;
  if (!text.empty()) next_code_point(text, at);
  if (text.empty() || at != text.size()) field.fail("one character");
  return text;
}

}  // namespace eet
