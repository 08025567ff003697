// The text of a template to tokens, with Jinja's whitespace control: trim_blocks and lstrip_blocks
// are on, as chat templates expect.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace eet::jinja {

struct Token {
  enum class Type {
    kData,  // text outside of tags
    kVariableBegin,
    kVariableEnd,
    kBlockBegin,
    kBlockEnd,
    kName,
    kString,  // unescaped, without its quotes
    kInteger,
    kFloat,
    kOperator,
    kEnd,  // of the template
  };

  Type type;
  int line;          // from 1
  std::string text;  // as in the template, unless said otherwise

  bool is_name(std::string_view name) const { return type == Type::kName && text == name; }
  bool is_operator(std::string_view symbol) const {
    return type == Type::kOperator && text == symbol;
  }
};

// Ends with a kEnd. Error on text that is not UTF-8, too long, or not of Jinja's tokens.
std::vector<Token> tokenize(std::string_view source);

// A token as messages show it.
std::string describe(const Token& token);

}  // namespace eet::jinja
