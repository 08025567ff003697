// Tokens one after the other, for the parsers.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/jinja/error.h"
#include "tokenizer/jinja/lexer.h"

namespace eet::jinja {

class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[position_]; }
  const Token& ahead() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  int line() const { return current().line; }

  Token next() {
    Token token = current();
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }

  bool skip_operator(std::string_view symbol) { return skip_if(current().is_operator(symbol)); }
  bool skip_name(std::string_view name) { return skip_if(current().is_name(name)); }

  void expect_operator(std::string_view symbol) {
    if (!skip_operator(symbol)) fail("'" + std::string(symbol) + "'");
  }

  Token expect(Token::Type type, const std::string& what) {
    if (current().type != type) fail(what);
    return next();
  }

  // Throws: something else than the current token was expected.
  [[noreturn]] void fail(const std::string& expected) const {
    throw Error("expected " + expected + ", got " + describe(current()), line());
  }

 private:
  bool skip_if(bool matches) {
    if (matches) next();
    return matches;
  }

  std::vector<Token> tokens_;
  size_t position_ = 0;
};

// Levels of a recursive parser, against templates that would exhaust the stack.
class NestingLevel {
 public:
  static constexpr int kMax = 100;

  NestingLevel(int& depth, int line) : depth_(depth) {
    if (depth_ >= kMax) throw Error("the template is nested too deeply", line);
    ++depth_;
  }
  ~NestingLevel() { --depth_; }
  NestingLevel(const NestingLevel&) = delete;
  NestingLevel& operator=(const NestingLevel&) = delete;

 private:
  int& depth_;
};

}  // namespace eet::jinja
