#include "tokenizer/jinja/expression_parser.h"

#include <algorithm>
#include <optional>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/python_text.h"

namespace eet::jinja {
namespace {

// Chains like a + b + c nest to the left without any recursion of the parser.
constexpr int kMaxExpressionDepth = 200;

int depth_of(const ExpressionPtr& expression) {
  return expression == nullptr ? 0 : expression->depth;
}

int depth_of(const std::vector<ExpressionPtr>& expressions) {
  int depth = 0;
  for (const ExpressionPtr& expression : expressions) depth = std::max(depth, depth_of(expression));
  return depth;
}

int depth_of(const ArgumentList& arguments) {
  int depth = depth_of(arguments.positional);
  for (const auto& [name, value] : arguments.named) depth = std::max(depth, depth_of(value));
  return depth;
}

std::optional<ComparisonOperator> comparison(const Token& token) {
  if (token.is_operator("==")) return ComparisonOperator::kEqual;
  if (token.is_operator("!=")) return ComparisonOperator::kNotEqual;
  if (token.is_operator("<")) return ComparisonOperator::kLess;
  if (token.is_operator("<=")) return ComparisonOperator::kLessEqual;
  if (token.is_operator(">")) return ComparisonOperator::kGreater;
  if (token.is_operator(">=")) return ComparisonOperator::kGreaterEqual;
  if (token.is_name("in")) return ComparisonOperator::kIn;
  return std::nullopt;
}

}  // namespace

template <typename Node>
ExpressionPtr ExpressionParser::make(int line, int depth_below, Node node) {
  if (depth_below >= kMaxExpressionDepth) throw Error("an expression is nested too deeply", line);
  return std::make_unique<const Expression>(Expression{line, depth_below + 1, std::move(node)});
}

ExpressionPtr ExpressionParser::parse_tuple(bool conditionals) {
  const int line = tokens_.line();
  std::vector<ExpressionPtr> items;
  bool is_tuple = false;
  while (!at_tuple_end()) {
    items.push_back(conditionals ? parse_conditional() : parse_or());
    if (!tokens_.skip_operator(",")) break;
    is_tuple = true;
  }
  if (items.empty()) tokens_.fail("an expression");
  if (!is_tuple) return std::move(items.front());
  const int depth = depth_of(items);
  return make(line, depth, ListDisplay{Sequence::Kind::kTuple, std::move(items)});
}

bool ExpressionParser::at_tuple_end() const {
  const Token& token = tokens_.current();
  return token.type == Token::Type::kVariableEnd || token.type == Token::Type::kBlockEnd ||
         token.is_operator(")");
}

ExpressionPtr ExpressionParser::parse_conditional() {
  const NestingLevel level(nesting_, tokens_.line());
  int line = tokens_.line();
  ExpressionPtr then = parse_or();
  while (tokens_.skip_name("if")) {
    ExpressionPtr condition = parse_or();
    ExpressionPtr otherwise = tokens_.skip_name("else") ? parse_conditional() : nullptr;
    const int depth = std::max({depth_of(then), depth_of(condition), depth_of(otherwise)});
    then =
        make(line, depth, Conditional{std::move(condition), std::move(then), std::move(otherwise)});
    line = tokens_.line();
  }
  return then;
}

ExpressionPtr ExpressionParser::parse_or() {
  ExpressionPtr left = parse_and();
  while (tokens_.current().is_name("or")) {
    const int line = tokens_.next().line;
    ExpressionPtr right = parse_and();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make(line, depth, Logical{false, std::move(left), std::move(right)});
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_and() {
  ExpressionPtr left = parse_not();
  while (tokens_.current().is_name("and")) {
    const int line = tokens_.next().line;
    ExpressionPtr right = parse_not();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make(line, depth, Logical{true, std::move(left), std::move(right)});
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_not() {
  if (!tokens_.current().is_name("not")) return parse_comparison();
  const NestingLevel level(nesting_, tokens_.line());
  const int line = tokens_.next().line;
  ExpressionPtr operand = parse_not();
  const int depth = depth_of(operand);
  return make(line, depth, Unary{UnaryOperator::kNot, std::move(operand)});
}

ExpressionPtr ExpressionParser::parse_comparison() {
  const int line = tokens_.line();
  ExpressionPtr first = parse_sum();
  std::vector<std::pair<ComparisonOperator, ExpressionPtr>> rest;
  int depth = depth_of(first);
  while (true) {
    std::optional<ComparisonOperator> op = comparison(tokens_.current());
    if (tokens_.current().is_name("not") && tokens_.ahead().is_name("in")) {
      tokens_.next();
      op = ComparisonOperator::kNotIn;
    }
    if (!op) break;
    tokens_.next();
    rest.emplace_back(*op, parse_sum());
    depth = std::max(depth, depth_of(rest.back().second));
  }
  if (rest.empty()) return first;
  return make(line, depth, Comparison{std::move(first), std::move(rest)});
}

template <typename ParseOperand>
ExpressionPtr ExpressionParser::parse_binary(
    const std::vector<std::pair<std::string_view, BinaryOperator>>& operators,
    ParseOperand parse_operand) {
  ExpressionPtr left = parse_operand();
  while (true) {
    const Token& token = tokens_.current();
    const auto found = std::find_if(operators.begin(), operators.end(), [&token](const auto& one) {
      return token.is_operator(one.first);
    });
    if (found == operators.end()) return left;
    const int line = tokens_.next().line;
    ExpressionPtr right = parse_operand();
    const int depth = std::max(depth_of(left), depth_of(right));
    left = make(line, depth, Binary{found->second, std::move(left), std::move(right)});
  }
}

ExpressionPtr ExpressionParser::parse_sum() {
  return parse_binary({{"+", BinaryOperator::kAdd}, {"-", BinaryOperator::kSubtract}},
                      [this] { return parse_concatenation(); });
}

ExpressionPtr ExpressionParser::parse_concatenation() {
  const int line = tokens_.line();
  std::vector<ExpressionPtr> parts;
  do {
    parts.push_back(parse_product());
  } while (tokens_.skip_operator("~"));
  if (parts.size() == 1) return std::move(parts.front());
  const int depth = depth_of(parts);
  return make(line, depth, Concatenation{std::move(parts)});
}

ExpressionPtr ExpressionParser::parse_product() {
  return parse_binary({{"*", BinaryOperator::kMultiply},
                       {"/", BinaryOperator::kDivide},
                       {"//", BinaryOperator::kFloorDivide},
                       {"%", BinaryOperator::kModulo}},
                      [this] { return parse_power(); });
}

// To the left, unlike Python's.
ExpressionPtr ExpressionParser::parse_power() {
  return parse_binary({{"**", BinaryOperator::kPower}}, [this] { return parse_unary(); });
}

// A sign binds its operand without filters: -1|abs is (-1)|abs.
ExpressionPtr ExpressionParser::parse_unary(bool filters) {
  const NestingLevel level(nesting_, tokens_.line());
  const Token& token = tokens_.current();
  ExpressionPtr expression;
  if (token.is_operator("-") || token.is_operator("+")) {
    const UnaryOperator op = token.is_operator("-") ? UnaryOperator::kMinus : UnaryOperator::kPlus;
    const int line = tokens_.next().line;
    ExpressionPtr operand = parse_unary(false);
    const int depth = depth_of(operand);
    expression = make(line, depth, Unary{op, std::move(operand)});
  } else {
    expression = parse_primary();
  }
  expression = parse_postfix(std::move(expression));
  return filters ? parse_filters(std::move(expression)) : std::move(expression);
}

ExpressionPtr ExpressionParser::parse_primary() {
  const Token& token = tokens_.current();
  if (token.type == Token::Type::kName) return parse_name();
  if (token.type == Token::Type::kString) return parse_string();
  if (token.type == Token::Type::kInteger || token.type == Token::Type::kFloat) {
    return parse_number();
  }
  if (token.is_operator("(")) return parse_parentheses();
  if (token.is_operator("[")) return parse_list();
  if (token.is_operator("{")) return parse_dict();
  tokens_.fail("an expression");
}

ExpressionPtr ExpressionParser::parse_name() {
  const Token token = tokens_.next();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return make(token.line, 0, Literal{Value(true)});
  if (name == "false" || name == "False") return make(token.line, 0, Literal{Value(false)});
  if (name == "none" || name == "None") return make(token.line, 0, Literal{Value()});
  if (inside_macro_ && name == "caller") saw_caller_ = true;
  if (inside_macro_ && (name == "varargs" || name == "kwargs")) {
    throw Error("'" + name + "' in a macro is not supported", token.line);
  }
  return make(token.line, 0, Name{name});
}

ExpressionPtr ExpressionParser::parse_number() {
  const Token token = tokens_.next();
  if (token.type == Token::Type::kInteger) {
    int64_t integer = 0;
    if (token.text[0] == '0' && token.text.find_first_not_of('0') != std::string::npos) {
      throw Error("an integer cannot begin with 0", token.line);
    }
    if (token.text.size() > 18 || !parse_integer(token.text, integer)) {
      throw Error("integer '" + token.text.substr(0, 60) + "' is beyond 64 bits", token.line);
    }
    return make(token.line, 0, Literal{Value(integer)});
  }
  double real = 0;
  if (token.text.size() > 60 || !parse_real(token.text, real)) {
    throw Error("'" + token.text.substr(0, 60) + "' is no float", token.line);
  }
  return make(token.line, 0, Literal{Value(real)});
}

// Strings next to each other are one.
ExpressionPtr ExpressionParser::parse_string() {
  const int line = tokens_.line();
  std::string text;
  while (tokens_.current().type == Token::Type::kString) text += tokens_.next().text;
  return make(line, 0, Literal{Value(std::move(text))});
}

ExpressionPtr ExpressionParser::parse_parentheses() {
  const int line = tokens_.next().line;
  if (tokens_.skip_operator(")")) return make(line, 0, ListDisplay{Sequence::Kind::kTuple, {}});
  ExpressionPtr inside = parse_tuple();
  tokens_.expect_operator(")");
  return inside;
}

ExpressionPtr ExpressionParser::parse_list() {
  const int line = tokens_.next().line;
  std::vector<ExpressionPtr> items;
  while (!tokens_.current().is_operator("]")) {
    items.push_back(parse_expression());
    if (!tokens_.skip_operator(",")) break;
  }
  tokens_.expect_operator("]");
  const int depth = depth_of(items);
  return make(line, depth, ListDisplay{Sequence::Kind::kList, std::move(items)});
}

ExpressionPtr ExpressionParser::parse_dict() {
  const int line = tokens_.next().line;
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
  int depth = 0;
  while (!tokens_.current().is_operator("}")) {
    ExpressionPtr key = parse_expression();
    tokens_.expect_operator(":");
    ExpressionPtr value = parse_expression();
    depth = std::max({depth, depth_of(key), depth_of(value)});
    entries.emplace_back(std::move(key), std::move(value));
    if (!tokens_.skip_operator(",")) break;
  }
  tokens_.expect_operator("}");
  return make(line, depth, DictDisplay{std::move(entries)});
}

ExpressionPtr ExpressionParser::parse_postfix(ExpressionPtr expression) {
  while (true) {
    const Token& token = tokens_.current();
    if (token.is_operator(".")) {
      expression = parse_attribute(std::move(expression));
    } else if (token.is_operator("[")) {
      expression = parse_subscript(std::move(expression));
    } else if (token.is_operator("(")) {
      expression = parse_call(std::move(expression));
    } else {
      return expression;
    }
  }
}

ExpressionPtr ExpressionParser::parse_filters(ExpressionPtr expression) {
  while (true) {
    const Token& token = tokens_.current();
    if (token.is_operator("|")) {
      expression = parse_filter(std::move(expression));
    } else if (token.is_name("is")) {
      expression = parse_test(std::move(expression));
    } else if (token.is_operator("(")) {
      expression = parse_call(std::move(expression));
    } else {
      return expression;
    }
  }
}

ExpressionPtr ExpressionParser::parse_attribute(ExpressionPtr object) {
  const int line = tokens_.next().line;
  const int depth = depth_of(object);
  if (tokens_.current().type == Token::Type::kInteger) {
    return make(line, depth + 1, Subscript{std::move(object), parse_number()});
  }
  const Token name = tokens_.expect(Token::Type::kName, "the name of an attribute");
  return make(line, depth, Attribute{std::move(object), name.text});
}

ExpressionPtr ExpressionParser::parse_subscript(ExpressionPtr object) {
  const int line = tokens_.next().line;
  ExpressionPtr bounds[3];  // of a slice
  int colons = 0;
  while (!tokens_.current().is_operator("]")) {
    if (colons < 2 && tokens_.skip_operator(":")) {
      ++colons;
    } else if (bounds[colons] == nullptr) {
      bounds[colons] = parse_expression();
    } else {
      tokens_.fail("']'");
    }
  }
  tokens_.next();
  const int depth =
      std::max({depth_of(object), depth_of(bounds[0]), depth_of(bounds[1]), depth_of(bounds[2])});
  if (colons > 0) {
    return make(
        line, depth,
        Slice{std::move(object), std::move(bounds[0]), std::move(bounds[1]), std::move(bounds[2])});
  }
  if (bounds[0] == nullptr) throw Error("expected an index between '[' and ']'", line);
  return make(line, depth, Subscript{std::move(object), std::move(bounds[0])});
}

ExpressionPtr ExpressionParser::parse_call(ExpressionPtr callee) {
  const int line = tokens_.line();
  ArgumentList arguments = parse_arguments();
  const int depth = std::max(depth_of(callee), depth_of(arguments));
  return make(line, depth, Call{std::move(callee), std::move(arguments)});
}

ArgumentList ExpressionParser::parse_arguments() {
  ArgumentList arguments;
  tokens_.expect_operator("(");
  while (!tokens_.current().is_operator(")")) {
    const Token& token = tokens_.current();
    if (token.is_operator("*") || token.is_operator("**")) {
      throw Error("'" + token.text + "' before an argument is not supported", token.line);
    }
    if (token.type == Token::Type::kName && tokens_.ahead().is_operator("=")) {
      const std::string name = tokens_.next().text;
      tokens_.next();
      arguments.named.emplace_back(name, parse_expression());
    } else if (!arguments.named.empty()) {
      tokens_.fail("a named argument after a named one");
    } else {
      arguments.positional.push_back(parse_expression());
    }
    if (!tokens_.skip_operator(",")) break;
  }
  tokens_.expect_operator(")");
  return arguments;
}

ExpressionPtr ExpressionParser::parse_filter_block() {
  ExpressionPtr value = make(tokens_.line(), 0, Name{kFiltered});
  value = parse_named_filter(std::move(value));
  while (tokens_.current().is_operator("|")) value = parse_filter(std::move(value));
  return value;
}

ExpressionPtr ExpressionParser::parse_filter(ExpressionPtr input) {
  tokens_.next();
  return parse_named_filter(std::move(input));
}

ExpressionPtr ExpressionParser::parse_named_filter(ExpressionPtr input) {
  const Token name = tokens_.expect(Token::Type::kName, "the name of a filter");
  const Builtin* filter = find_filter(name.text);
  if (filter == nullptr) throw Error("filter '" + name.text + "' is not supported", name.line);
  ArgumentList arguments;
  if (tokens_.current().is_operator("(")) arguments = parse_arguments();
  const int depth = std::max(depth_of(input), depth_of(arguments));
  return make(name.line, depth, Apply{std::move(input), filter, std::move(arguments)});
}

ExpressionPtr ExpressionParser::parse_test(ExpressionPtr input) {
  const int line = tokens_.next().line;
  const bool is_negated = tokens_.skip_name("not");
  const Token name = tokens_.expect(Token::Type::kName, "the name of a test");
  const Builtin* test = find_test(name.text);
  if (test == nullptr) throw Error("test '" + name.text + "' is not supported", name.line);
  ArgumentList arguments;
  if (tokens_.current().is_operator("(")) {
    arguments = parse_arguments();
  } else if (at_test_argument()) {
    if (tokens_.current().is_name("is")) tokens_.fail("one test: they cannot be chained");
    arguments.positional.push_back(parse_postfix(parse_primary()));
  }
  const int depth = std::max(depth_of(input), depth_of(arguments));
  ExpressionPtr result = make(line, depth, Apply{std::move(input), test, std::move(arguments)});
  if (!is_negated) return result;
  return make(line, depth + 1, Unary{UnaryOperator::kNot, std::move(result)});
}

bool ExpressionParser::at_test_argument() const {
  const Token& token = tokens_.current();
  switch (token.type) {
    case Token::Type::kName:
      return token.text != "else" && token.text != "or" && token.text != "and";
    case Token::Type::kString:
    case Token::Type::kInteger:
    case Token::Type::kFloat:
      return true;
    default:
      return token.is_operator("(") || token.is_operator("[") || token.is_operator("{");
  }
}

}  // namespace eet::jinja
