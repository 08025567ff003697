#include "tokenizer/jinja/parser.h"

#include <algorithm>
#include <initializer_list>

#include "tokenizer/jinja/expression_parser.h"
#include "tokenizer/jinja/token_stream.h"

namespace eet::jinja {
namespace {

class StatementParser {
 public:
  explicit StatementParser(std::string_view source)
      : tokens_(tokenize(source)), expressions_(tokens_) {}

  Body run() { return parse_body({}); }

 private:
  // Statements up to {% END %} for one of `ends`, which is left to be read from its name on; up to
  // the end of the template if there are none.
  Body parse_body(std::initializer_list<std::string_view> ends);
  Statement parse_statement();
  Statement parse_if();
  Statement parse_for();
  Statement parse_set();
  Statement parse_macro();
  Statement parse_call_block();
  Statement parse_filter_block();
  Statement parse_with();
  void parse_parameters(Macro& node);
  Statement parse_generation();
  Statement parse_jump(const Token& keyword);
  // A body where no loop is around, up to `end`.
  Body parse_separate_body(std::string_view end);
  Target parse_target();
  std::string parse_target_name();
  void end_block() { tokens_.expect(Token::Type::kBlockEnd, "'%}'"); }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int nesting_ = 0;
  int loops_ = 0;       // around the current statement, in the same macro
  bool at_top_ = true;  // not inside of what has names of its own
};

Body StatementParser::parse_body(std::initializer_list<std::string_view> ends) {
  const NestingLevel level(nesting_, tokens_.line());
  Body body;
  while (tokens_.current().type != Token::Type::kEnd) {
    const Token token = tokens_.next();
    if (token.type == Token::Type::kData) {
      body.push_back({token.line, Data{token.text}});
    } else if (token.type == Token::Type::kVariableBegin) {
      body.push_back({token.line, Print{expressions_.parse_tuple()}});
      tokens_.expect(Token::Type::kVariableEnd, "'}}'");
    } else {
      const Token& keyword = tokens_.current();
      const bool is_end = std::any_of(ends.begin(), ends.end(), [&keyword](std::string_view end) {
        return keyword.is_name(end);
      });
      if (is_end) return body;
      body.push_back(parse_statement());
    }
  }
  if (ends.size() > 0) tokens_.fail("'{% " + std::string(*(ends.end() - 1)) + " %}'");
  return body;
}

Statement StatementParser::parse_statement() {
  const Token& keyword = tokens_.current();
  if (keyword.is_name("if")) return parse_if();
  if (keyword.is_name("for")) return parse_for();
  if (keyword.is_name("set")) return parse_set();
  if (keyword.is_name("macro")) return parse_macro();
  if (keyword.is_name("call")) return parse_call_block();
  if (keyword.is_name("filter")) return parse_filter_block();
  if (keyword.is_name("with")) return parse_with();
  if (keyword.is_name("generation")) return parse_generation();
  if (keyword.is_name("break") || keyword.is_name("continue")) return parse_jump(tokens_.next());
  if (keyword.type != Token::Type::kName) tokens_.fail("the name of a statement");
  throw Error("'{% " + keyword.text + " %}' is not supported here", keyword.line);
}

Statement StatementParser::parse_if() {
  const int line = tokens_.next().line;
  If node;
  while (true) {
    ExpressionPtr condition = expressions_.parse_tuple(/*conditionals=*/false);
    end_block();
    Body body = parse_body({"elif", "else", "endif"});
    node.branches.emplace_back(std::move(condition), std::move(body));
    if (!tokens_.skip_name("elif")) break;
  }
  if (tokens_.skip_name("else")) {
    end_block();
    node.otherwise = parse_body({"endif"});
  }
  tokens_.next();
  end_block();
  return {line, std::move(node)};
}

Statement StatementParser::parse_for() {
  const int line = tokens_.next().line;
  For node;
  node.target = parse_target();
  if (!node.target.attribute.empty()) throw Error("a loop cannot set an attribute", line);
  if (!tokens_.skip_name("in")) tokens_.fail("'in'");
  node.iterable = expressions_.parse_tuple(/*conditionals=*/false);
  if (tokens_.skip_name("if")) node.filter = expressions_.parse_expression();
  node.recursive = tokens_.skip_name("recursive");
  end_block();
  const bool was_at_top = std::exchange(at_top_, false);
  ++loops_;
  node.body = parse_body({"else", "endfor"});
  --loops_;
  if (tokens_.skip_name("else")) {
    end_block();
    node.otherwise = parse_body({"endfor"});
  }
  at_top_ = was_at_top;
  tokens_.next();
  end_block();
  return {line, std::move(node)};
}

Statement StatementParser::parse_set() {
  const int line = tokens_.next().line;
  Target target = parse_target();
  if (tokens_.skip_operator("=")) {
    ExpressionPtr value = expressions_.parse_tuple();
    end_block();
    return {line, Set{std::move(target), std::move(value)}};
  }
  end_block();
  return {line, SetBlock{std::move(target), parse_separate_body("endset")}};
}

Statement StatementParser::parse_macro() {
  const int line = tokens_.next().line;
  if (!at_top_) throw Error("a macro inside of a loop, macro or block is not supported", line);
  Macro node;
  node.name = parse_target_name();
  expressions_.begin_macro();
  parse_parameters(node);
  end_block();
  node.body = parse_separate_body("endmacro");
  node.takes_caller = expressions_.end_macro();
  return {line, std::move(node)};
}

void StatementParser::parse_parameters(Macro& node) {
  tokens_.expect_operator("(");
  while (!tokens_.current().is_operator(")")) {
    const std::string name = parse_target_name();
    const bool has_default = tokens_.skip_operator("=");
    if (!has_default && !node.parameters.empty() && node.parameters.back().second != nullptr) {
      throw Error("parameter '" + name + "' without a default follows one with a default",
                  tokens_.line());
    }
    node.parameters.emplace_back(name, has_default ? expressions_.parse_expression() : nullptr);
    if (!tokens_.skip_operator(",")) break;
  }
  tokens_.expect_operator(")");
}

Statement StatementParser::parse_call_block() {
  const int line = tokens_.next().line;
  CallBlock node;
  node.caller.name = "caller";
  if (tokens_.current().is_operator("(")) parse_parameters(node.caller);
  node.call = expressions_.parse_expression();
  if (!std::holds_alternative<Call>(node.call->node)) {
    throw Error("expected a call of a macro behind 'call'", line);
  }
  end_block();
  node.caller.body = parse_separate_body("endcall");
  return {line, std::move(node)};
}

Statement StatementParser::parse_filter_block() {
  const int line = tokens_.next().line;
  ExpressionPtr value = expressions_.parse_filter_block();
  end_block();
  return {line, FilterBlock{std::move(value), parse_separate_body("endfilter")}};
}

Statement StatementParser::parse_with() {
  const int line = tokens_.next().line;
  With node;
  while (tokens_.current().type != Token::Type::kBlockEnd) {
    if (!node.variables.empty()) tokens_.expect_operator(",");
    Target target = parse_target();
    tokens_.expect_operator("=");
    node.variables.emplace_back(std::move(target), expressions_.parse_expression());
  }
  end_block();
  const bool was_at_top = std::exchange(at_top_, false);
  node.body = parse_body({"endwith"});
  at_top_ = was_at_top;
  tokens_.next();
  end_block();
  return {line, std::move(node)};
}

Statement StatementParser::parse_generation() {
  const int line = tokens_.next().line;
  end_block();
  return {line, Generation{parse_separate_body("endgeneration")}};
}

Statement StatementParser::parse_jump(const Token& keyword) {
  if (loops_ == 0) throw Error("'" + keyword.text + "' outside of a loop", keyword.line);
  end_block();
  if (keyword.text == "break") return {keyword.line, Break{}};
  return {keyword.line, Continue{}};
}

Body StatementParser::parse_separate_body(std::string_view end) {
  const int loops = std::exchange(loops_, 0);
  const bool was_at_top = std::exchange(at_top_, false);
  Body body = parse_body({end});
  loops_ = loops;
  at_top_ = was_at_top;
  tokens_.next();
  end_block();
  return body;
}

Target StatementParser::parse_target() {
  Target target;
  const bool in_parentheses = tokens_.skip_operator("(");
  target.names.push_back(parse_target_name());
  if (tokens_.skip_operator(".")) {
    target.attribute = tokens_.expect(Token::Type::kName, "the name of an attribute").text;
    if (tokens_.current().is_operator(",") || in_parentheses) tokens_.fail("'='");
    return target;
  }
  while (tokens_.skip_operator(",")) {
    target.unpacks = true;
    if (tokens_.current().type != Token::Type::kName || tokens_.current().is_name("in")) break;
    target.names.push_back(parse_target_name());
  }
  if (in_parentheses) tokens_.expect_operator(")");
  return target;
}

std::string StatementParser::parse_target_name() {
  const Token name = tokens_.expect(Token::Type::kName, "a name to set");
  for (const char* reserved : {"true", "True", "false", "False", "none", "None"}) {
    if (name.text == reserved) throw Error("'" + name.text + "' cannot be set", name.line);
  }
  return name.text;
}

}  // namespace

Body parse(std::string_view source) {
  return StatementParser(source).run();
}

}  // namespace eet::jinja
