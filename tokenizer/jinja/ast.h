// A parsed template. Immutable: any number of renderings may walk one at the same time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tokenizer/jinja/value.h"

namespace eet::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;  // null where an optional one is left out

struct Literal {
  Value value;
};

struct Name {
  std::string name;
};

struct ListDisplay {
  Sequence::Kind kind;  // a list or a tuple
  std::vector<ExpressionPtr> items;
};

struct DictDisplay {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};

struct Attribute {
  ExpressionPtr object;
  std::string name;
};

struct Subscript {
  ExpressionPtr object;
  ExpressionPtr key;
};

struct Slice {
  ExpressionPtr object;
  ExpressionPtr start;
  ExpressionPtr stop;
  ExpressionPtr step;
};

struct ArgumentList {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

struct Call {
  ExpressionPtr callee;
  ArgumentList arguments;
};

// `input | filter(arguments)` or `input is test(arguments)`.
struct Apply {
  ExpressionPtr input;
  const Builtin* builtin;
  ArgumentList arguments;
};

enum class UnaryOperator { kNot, kMinus, kPlus };

struct Unary {
  UnaryOperator op;
  ExpressionPtr operand;
};

enum class BinaryOperator { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };

struct Binary {
  BinaryOperator op;
  ExpressionPtr left;
  ExpressionPtr right;
};

struct Logical {
  bool is_and;
  ExpressionPtr left;
  ExpressionPtr right;
};

struct Concatenation {
  std::vector<ExpressionPtr> parts;
};

enum class ComparisonOperator {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};

// a < b <= c
struct Comparison {
  ExpressionPtr first;
  std::vector<std::pair<ComparisonOperator, ExpressionPtr>> rest;
};

struct Conditional {
  ExpressionPtr condition;
  ExpressionPtr then;
  ExpressionPtr otherwise;  // optional
};

struct Expression {
  int line;
  int depth;  // of expressions inside each other
  std::variant<Literal, Name, ListDisplay, DictDisplay, Attribute, Subscript, Slice, Call, Apply,
               Unary, Binary, Logical, Concatenation, Comparison, Conditional>
      node;
};

struct Statement;
using Body = std::vector<Statement>;

struct Data {
  std::string text;
};

struct Print {
  ExpressionPtr value;
};

struct If {
  std::vector<std::pair<ExpressionPtr, Body>> branches;  // if, elif ...
  Body otherwise;
};

// What an assignment or a loop sets: one name, several that a sequence is unpacked to, or an
// attribute of a namespace.
struct Target {
  std::vector<std::string> names;
  bool unpacks = false;
  std::string attribute;
};

struct For {
  Target target;
  ExpressionPtr iterable;
  ExpressionPtr filter;  // optional
  Body body;
  Body otherwise;
  bool recursive = false;  // loop(items) runs it inside of itself
};

struct Set {
  Target target;
  ExpressionPtr value;
};

struct SetBlock {
  Target target;
  Body body;
};

struct Macro {
  std::string name;
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;  // with an optional default
  Body body;
  bool takes_caller = false;  // uses the variable `caller`
};

// {% call(parameters) macro(arguments) %}body{% endcall %}: what the macro's `caller` gives.
struct CallBlock {
  Macro caller;
  ExpressionPtr call;  // a Call
};

// {% filter upper %}body{% endfilter %}. `value` is the filters, applied to the variable kFiltered.
struct FilterBlock {
  ExpressionPtr value;
  Body body;
};
inline constexpr const char* kFiltered = "{% filter %}";  // no template can name it

// {% with a = 1 %}body{% endwith %}
struct With {
  std::vector<std::pair<Target, ExpressionPtr>> variables;
  Body body;
};

// {% generation %}: marks what the model writes, for training. Renders as what it contains.
struct Generation {
  Body body;
};

struct Break {};
struct Continue {};

struct Statement {
  int line;
  std::variant<Data, Print, If, For, Set, SetBlock, Macro, CallBlock, FilterBlock, With, Generation,
               Break, Continue>
      node;
};

}  // namespace eet::jinja
