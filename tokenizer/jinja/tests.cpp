#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/operators.h"
#include "tokenizer/jinja/python_text.h"

namespace eet::jinja {
namespace {

bool is_number(const Value& value) {
  return value.boolean() || value.integer() || value.real();
}

Value test_defined(Runtime&, const Arguments& arguments) {
  return Value(!arguments.self().is_undefined());
}

Value test_undefined(Runtime&, const Arguments& arguments) {
  return Value(arguments.self().is_undefined());
}

Value test_none(Runtime&, const Arguments& arguments) {
  return Value(arguments.self().is_none());
}

Value test_boolean(Runtime&, const Arguments& arguments) {
  return Value(arguments.self().boolean() != nullptr);
}

Value test_true(Runtime&, const Arguments& arguments) {
  return Value(arguments.self().boolean() != nullptr && *arguments.self().boolean());
}

Value test_false(Runtime&, const Arguments& arguments) {
  return Value(arguments.self().boolean() != nullptr && !*arguments.self().boolean());
}

Value test_integer(Runtime&, const Arguments& arguments) {
  return Value(arguments.self().integer() != nullptr);
}

Value test_float(Runtime&, const Arguments& arguments) {
  return Value(arguments.self().real() != nullptr);
}

Value test_number(Runtime&, const Arguments& arguments) {
  return Value(is_number(arguments.self()));
}

Value test_string(Runtime&, const Arguments& arguments) {
  return Value(arguments.self().text() != nullptr);
}

// str.islower() and str.isupper(): of the characters that have case, of which there is one.
Value test_lower(Runtime& runtime, const Arguments& arguments) {
  const std::string text = to_text(runtime.budget, arguments.self());
  return Value(lower(text) == text && upper(text) != text);
}

Value test_upper(Runtime& runtime, const Arguments& arguments) {
  const std::string text = to_text(runtime.budget, arguments.self());
  return Value(upper(text) == text && lower(text) != text);
}

Value test_mapping(Runtime&, const Arguments& arguments) {
  return Value(arguments.self().dict() != nullptr);
}

// To Jinja a dict is one as well, and what is undefined.
Value test_sequence(Runtime&, const Arguments& arguments) {
  const Value& self = arguments.self();
  const Sequence* sequence = self.sequence();
  return Value(self.is_undefined() || self.text() || self.dict() ||
               (sequence != nullptr && sequence->has_indices()));
}

Value test_iterable(Runtime&, const Arguments& arguments) {
  const Value& self = arguments.self();
  return Value(self.is_undefined() || self.text() || self.dict() || self.sequence() || self.loop());
}

Value test_callable(Runtime&, const Arguments& arguments) {
  return Value(arguments.self().callable() != nullptr);
}

Value remainder(Runtime& runtime, const Arguments& arguments, const Value& divisor) {
  return apply(runtime, BinaryOperator::kModulo, arguments.self(), divisor);
}

Value test_even(Runtime& runtime, const Arguments& arguments) {
  return Value(!truth(remainder(runtime, arguments, Value(int64_t{2}))));
}

Value test_odd(Runtime& runtime, const Arguments& arguments) {
  return Value(
      equals(runtime.budget, remainder(runtime, arguments, Value(int64_t{2})), Value(int64_t{1})));
}

Value test_divisibleby(Runtime& runtime, const Arguments& arguments) {
  return Value(!truth(remainder(runtime, arguments, arguments.at(0))));
}

Value test_sameas(Runtime& runtime, const Arguments& arguments) {
  const Value& self = arguments.self();
  const Value& other = arguments.at(0);
  if (self.storage().index() != other.storage().index()) return Value(false);
  if (self.boolean() == nullptr && !self.is_none()) {
    arguments.fail("is supported for true, false and none only");
  }
  return Value(equals(runtime.budget, self, other));
}

template <ComparisonOperator kOperator>
Value test_comparison(Runtime& runtime, const Arguments& arguments) {
  return Value(compare(runtime, kOperator, arguments.self(), arguments.at(0)));
}

constexpr Builtin kTests[] = {
    {"defined", "", test_defined},
    {"undefined", "", test_undefined},
    {"none", "", test_none},
    {"boolean", "", test_boolean},
    {"true", "", test_true},
    {"false", "", test_false},
    {"integer", "", test_integer},
    {"float", "", test_float},
    {"number", "", test_number},
    {"string", "", test_string},
    {"lower", "", test_lower},
    {"upper", "", test_upper},
    {"mapping", "", test_mapping},
    {"sequence", "", test_sequence},
    {"iterable", "", test_iterable},
    {"callable", "", test_callable},
    {"even", "", test_even},
    {"odd", "", test_odd},
    {"divisibleby", "num", test_divisibleby},
    {"sameas", "other", test_sameas},
    {"in", "seq", test_comparison<ComparisonOperator::kIn>},
    {"eq", "other", test_comparison<ComparisonOperator::kEqual>},
    {"==", "other", test_comparison<ComparisonOperator::kEqual>},
    {"equalto", "other", test_comparison<ComparisonOperator::kEqual>},
    {"ne", "other", test_comparison<ComparisonOperator::kNotEqual>},
    {"!=", "other", test_comparison<ComparisonOperator::kNotEqual>},
    {"lt", "other", test_comparison<ComparisonOperator::kLess>},
    {"<", "other", test_comparison<ComparisonOperator::kLess>},
    {"lessthan", "other", test_comparison<ComparisonOperator::kLess>},
    {"le", "other", test_comparison<ComparisonOperator::kLessEqual>},
    {"<=", "other", test_comparison<ComparisonOperator::kLessEqual>},
    {"gt", "other", test_comparison<ComparisonOperator::kGreater>},
    {">", "other", test_comparison<ComparisonOperator::kGreater>},
    {"greaterthan", "other", test_comparison<ComparisonOperator::kGreater>},
    {"ge", "other", test_comparison<ComparisonOperator::kGreaterEqual>},
    {">=", "other", test_comparison<ComparisonOperator::kGreaterEqual>},
};

}  // namespace

const Builtin* find_test(std::string_view name) {
  return find_builtin(kTests, name);
}

}  // namespace eet::jinja
