// Jinja's expressions, by recursive descent.
#pragma once

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/token_stream.h"

namespace eet::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  // An expression, or a tuple where a comma follows. Without `conditionals`, `a if b` is not read
  // beyond `a`.
  ExpressionPtr parse_tuple(bool conditionals = true);
  ExpressionPtr parse_expression() { return parse_conditional(); }

  // "upper|trim" of a filter block, applied to the variable kFiltered.
  ExpressionPtr parse_filter_block();

  // Macros cannot see what a call passes beyond their parameters, but for the block that calls
  // them.
  void begin_macro() { inside_macro_ = true, saw_caller_ = false; }
  // Whether the macro uses the variable `caller`.
  bool end_macro() { return inside_macro_ = false, saw_caller_; }

 private:
  template <typename Node>
  ExpressionPtr make(int line, int depth_below, Node node);
  template <typename ParseOperand>
  ExpressionPtr parse_binary(
      const std::vector<std::pair<std::string_view, BinaryOperator>>& operators,
      ParseOperand parse_operand);

  ExpressionPtr parse_conditional();
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_comparison();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concatenation();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool filters = true);
  ExpressionPtr parse_primary();
  ExpressionPtr parse_name();
  ExpressionPtr parse_number();
  ExpressionPtr parse_string();
  ExpressionPtr parse_parentheses();
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ExpressionPtr parse_postfix(ExpressionPtr expression);
  ExpressionPtr parse_filters(ExpressionPtr expression);
  ExpressionPtr parse_attribute(ExpressionPtr object);
  ExpressionPtr parse_subscript(ExpressionPtr object);
  ExpressionPtr parse_call(ExpressionPtr callee);
  ExpressionPtr parse_filter(ExpressionPtr input);
  ExpressionPtr parse_named_filter(ExpressionPtr input);
  ExpressionPtr parse_test(ExpressionPtr input);
  ArgumentList parse_arguments();
  bool at_tuple_end() const;
  bool at_test_argument() const;

  TokenStream& tokens_;
  int nesting_ = 0;
  bool inside_macro_ = false;
  bool saw_caller_ = false;
};

}  // namespace eet::jinja
