// What Python's operators do with values.
#pragma once

#include <string_view>

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/builtins.h"

namespace eet::jinja {

// object.name: a method, else an item. Undefined where there is neither.
Value get_attribute(const Value& object, std::string_view name);

// object[key]: an item, else an attribute. Undefined where there is neither.
Value get_item(Runtime& runtime, const Value& object, const Value& key);

// object[start:stop:step]; None stands for a bound that is left out.
Value get_slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
                const Value& step);

Value apply(Runtime& runtime, BinaryOperator op, const Value& left, const Value& right);
Value apply(UnaryOperator op, const Value& operand);
bool compare(Runtime& runtime, ComparisonOperator op, const Value& left, const Value& right);

}  // namespace eet::jinja
