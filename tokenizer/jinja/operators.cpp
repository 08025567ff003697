#include "tokenizer/jinja/operators.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tokenizer/jinja/python_text.h"

namespace eet::jinja {
namespace {

Value missing_attribute(const Value& object, std::string_view name) {
  return Value::undefined("a value of type " + type_name(object) + " has no attribute '" +
                          std::string(name) + "'");
}

Value loop_attribute(const Loop& loop, const Value& object, std::string_view name) {
  const auto index0 = static_cast<int64_t>(loop.index0);
  const auto count = static_cast<int64_t>(loop.items.size());
  if (name == "index0") return Value(index0);
  if (name == "index") return Value(index0 + 1);
  if (name == "revindex0") return Value(count - index0 - 1);
  if (name == "revindex") return Value(count - index0);
  if (name == "first") return Value(index0 == 0);
  if (name == "last") return Value(index0 + 1 == count);
  if (name == "length") return Value(count);
  if (name == "depth0") return Value(int64_t{loop.recursion});
  if (name == "depth") return Value(int64_t{loop.recursion} + 1);
  if (name == "previtem") {
    return index0 > 0 ? loop.items[loop.index0 - 1] : Value::undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return index0 + 1 < count ? loop.items[loop.index0 + 1]
                              : Value::undefined("there is no next item");
  }
  return missing_attribute(object, name);
}

// An index counted from the end where it is negative; false where there is no such item.
bool resolve_index(int64_t& index, int64_t count) {
  if (index < 0) index += count;
  return index >= 0 && index < count;
}

Value character_at(Runtime& runtime, const std::string& text, int64_t index) {
  runtime.budget.spend_reading(text.size());
  size_t at = 0;
  for (; index > 0; --index) at = next_character(text, at);
  return make_text(runtime.budget,
                   std::string_view(text).substr(at, next_character(text, at) - at));
}

// The indices of a slice as Python's slice.indices gives them.
struct SliceRange {
  int64_t start;
  int64_t stop;
  int64_t step;
};

int64_t slice_number(const Value& bound, int64_t fallback) {
  if (bound.is_none()) return fallback;
  int64_t number = 0;
  if (!as_integer(bound, number)) refuse(bound, "a bound of a slice");
  return number;
}

SliceRange resolve_slice(const Value& start, const Value& stop, const Value& step, int64_t count) {
  SliceRange range{};
  range.step = slice_number(step, 1);
  if (range.step == 0) throw Error("the step of a slice cannot be zero");
  const bool backwards = range.step < 0;
  const auto clamp = [count, backwards](int64_t index) {
    if (index < 0) index += count;
    return std::clamp(index, backwards ? int64_t{-1} : int64_t{0}, backwards ? count - 1 : count);
  };
  range.start = start.is_none() ? (backwards ? count - 1 : 0) : clamp(slice_number(start, 0));
  range.stop = stop.is_none() ? (backwards ? -1 : count) : clamp(slice_number(stop, 0));
  // Steps beyond the ends are all the same, and cannot overflow.
  range.step = std::clamp(range.step, -count - 1, count + 1);
  return range;
}

template <typename Visit>
void for_each_index(const SliceRange& range, Visit visit) {
  for (int64_t i = range.start; range.step > 0 ? i < range.stop : i > range.stop; i += range.step) {
    visit(static_cast<size_t>(i));
  }
}

Value slice_text(Runtime& runtime, const std::string& text, const Value& start, const Value& stop,
                 const Value& step) {
  std::vector<size_t> offsets;  // of the characters, and the end
  runtime.budget.spend_bytes(text.size() * sizeof(size_t));
  offsets.reserve(text.size() + 1);
  for (size_t at = 0; at < text.size(); at = next_character(text, at)) offsets.push_back(at);
  offsets.push_back(text.size());
  std::string sliced;
  const auto count = static_cast<int64_t>(offsets.size()) - 1;
  for_each_index(resolve_slice(start, stop, step, count),
                 [&](size_t i) { sliced.append(text, offsets[i], offsets[i + 1] - offsets[i]); });
  return make_text(runtime.budget, sliced);
}

[[noreturn]] void refuse_operands(std::string_view symbol, const Value& left, const Value& right) {
  if (left.is_undefined()) refuse(left, "");
  if (right.is_undefined()) refuse(right, "");
  throw Error("'" + std::string(symbol) + "' cannot take " + type_name(left) + " and " +
              type_name(right));
}

[[noreturn]] void refuse_overflow() {
  throw Error("an integer beyond 64 bits");
}

Value repeat(Runtime& runtime, const Value& value, int64_t times) {
  times = std::max<int64_t>(times, 0);
  if (const std::string* text = value.text()) {
    TextBuilder out(runtime.budget);
    for (int64_t i = 0; i < times && !text->empty(); ++i) out.append(*text);
    return Value(out.take());
  }
  const Sequence& sequence = *value.sequence();
  std::vector<Value> items;
  for (int64_t i = 0; i < times && !sequence.items().empty(); ++i) {
    runtime.budget.spend_bytes(sequence.items().size() * sizeof(Value));
    items.insert(items.end(), sequence.items().begin(), sequence.items().end());
  }
  return make_sequence(runtime.budget, sequence.kind(), std::move(items));
}

bool is_list_or_tuple(const Value& value) {
  const Sequence* sequence = value.sequence();
  return sequence != nullptr &&
         (sequence->kind() == Sequence::Kind::kList || sequence->kind() == Sequence::Kind::kTuple);
}

int64_t power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) refuse_overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) refuse_overflow();
  }
  return result;
}

int64_t floor_divide(int64_t left, int64_t right) {
  if (right == 0) throw Error("division by zero");
  if (right == -1 && left == std::numeric_limits<int64_t>::min()) refuse_overflow();
  const int64_t quotient = left / right;
  return left % right != 0 && (left < 0) != (right < 0) ? quotient - 1 : quotient;
}

double floor_modulo(double left, double right) {
  const double remainder = std::fmod(left, right);
  return remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder;
}

Value apply_integers(BinaryOperator op, int64_t left, int64_t right) {
  int64_t result = 0;
  bool overflows = false;
  switch (op) {
    case BinaryOperator::kAdd:
      overflows = __builtin_add_overflow(left, right, &result);
      break;
    case BinaryOperator::kSubtract:
      overflows = __builtin_sub_overflow(left, right, &result);
      break;
    case BinaryOperator::kMultiply:
      overflows = __builtin_mul_overflow(left, right, &result);
      break;
    case BinaryOperator::kFloorDivide:
      result = floor_divide(left, right);
      break;
    case BinaryOperator::kModulo:
      // left - floor(left / right) * right, which cannot overflow where the quotient does not.
      result = left - floor_divide(left, right) * right;
      break;
    case BinaryOperator::kDivide:
      if (right == 0) throw Error("division by zero");
      return Value(static_cast<double>(left) / static_cast<double>(right));
    case BinaryOperator::kPower:
      if (right >= 0) return Value(power(left, right));
      if (left == 0) throw Error("division by zero");
      return Value(std::pow(static_cast<double>(left), static_cast<double>(right)));
  }
  if (overflows) refuse_overflow();
  return Value(result);
}

Value apply_reals(BinaryOperator op, double left, double right) {
  const bool divides = op == BinaryOperator::kDivide || op == BinaryOperator::kFloorDivide ||
                       op == BinaryOperator::kModulo;
  if (divides && right == 0) throw Error("division by zero");
  switch (op) {
    case BinaryOperator::kAdd:
      return Value(left + right);
    case BinaryOperator::kSubtract:
      return Value(left - right);
    case BinaryOperator::kMultiply:
      return Value(left * right);
    case BinaryOperator::kDivide:
      return Value(left / right);
    case BinaryOperator::kFloorDivide:
      return Value(std::floor((left - floor_modulo(left, right)) / right + 0.5));
    case BinaryOperator::kModulo:
      return Value(std::copysign(floor_modulo(left, right), right));
    case BinaryOperator::kPower:
      break;
  }
  if (left < 0 && right != std::floor(right)) throw Error("the result would be a complex number");
  if (left == 0 && right < 0) throw Error("division by zero");
  return Value(std::pow(left, right));
}

constexpr std::string_view symbol_of(BinaryOperator op) {
  constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kSymbols[static_cast<int>(op)];
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (const std::string* text = container.text()) {
    const std::string* part = item.text();
    if (part == nullptr) refuse_operands("in", item, container);
    runtime.budget.spend_reading(text->size() + part->size());
    return find_text(*text, *part) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) {
    if (item.sequence() != nullptr || item.dict() != nullptr) refuse(item, "a key");
    return item.text() != nullptr && dict->find(*item.text()) != nullptr;
  }
  const auto is_item = [&runtime, &item](const Value& one) {
    return equals(runtime.budget, one, item);
  };
  const Sequence* sequence = container.sequence();
  if (sequence != nullptr && sequence->has_length()) {
    return std::any_of(sequence->items().begin(), sequence->items().end(), is_item);
  }
  const std::vector<Value> items = items_of(runtime.budget, container);
  return std::any_of(items.begin(), items.end(), is_item);
}

}  // namespace

Value get_attribute(const Value& object, std::string_view name) {
  if (object.is_undefined()) refuse(object, "");
  if (const Builtin* method = find_method(object, name)) return Value(Callable{object, method});
  const Value* found = nullptr;
  if (const Dict* dict = object.dict()) found = dict->find(name);
  if (const Namespace* space = object.space()) found = space->find(name);
  if (const Loop* loop = object.loop()) return loop_attribute(*loop, object, name);
  const Sequence* sequence = object.sequence();
  if (sequence != nullptr && sequence->is_group()) {
    if (name == "grouper") found = &sequence->items()[0];
    if (name == "list") found = &sequence->items()[1];
  }
  return found != nullptr ? *found : missing_attribute(object, name);
}

Value get_item(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is_undefined()) refuse(object, "");
  if (const std::string* name = key.text()) {
    runtime.budget.spend_reading(name->size());
    const Dict* dict = object.dict();
    const Value* found = dict != nullptr ? dict->find(*name) : nullptr;
    return found != nullptr ? *found : get_attribute(object, *name);
  }
  int64_t index = 0;
  const std::string* text = object.text();
  if (text != nullptr) runtime.budget.spend_reading(text->size());  // its length is counted
  const Sequence* sequence = object.sequence();
  const bool has_items = text != nullptr || (sequence != nullptr && sequence->has_indices());
  if (!has_items || !as_integer(key, index) || !resolve_index(index, length(object))) {
    return Value::undefined("a value of type " + type_name(object) + " has no such item");
  }
  return text != nullptr ? character_at(runtime, *text, index)
                         : sequence->items()[static_cast<size_t>(index)];
}

Value get_slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
                const Value& step) {
  if (const std::string* text = object.text()) return slice_text(runtime, *text, start, stop, step);
  const Sequence* sequence = object.sequence();
  if (sequence == nullptr || !sequence->has_indices()) refuse(object, "sliced");
  std::vector<Value> items;
  const auto count = static_cast<int64_t>(sequence->items().size());
  for_each_index(resolve_slice(start, stop, step, count),
                 [&items, sequence](size_t i) { items.push_back(sequence->items()[i]); });
  return make_sequence(runtime.budget, sequence->kind(), std::move(items));
}

Value apply(Runtime& runtime, BinaryOperator op, const Value& left, const Value& right) {
  int64_t left_integer = 0;
  int64_t right_integer = 0;
  const bool left_counts = as_integer(left, left_integer);
  const bool right_counts = as_integer(right, right_integer);
  if (left_counts && right_counts) return apply_integers(op, left_integer, right_integer);
  double left_real = 0;
  double right_real = 0;
  if (as_real(left, left_real) && as_real(right, right_real)) {
    return apply_reals(op, left_real, right_real);
  }
  if (op == BinaryOperator::kMultiply && right_counts && (left.text() || is_list_or_tuple(left))) {
    return repeat(runtime, left, right_integer);
  }
  if (op == BinaryOperator::kMultiply && left_counts && (right.text() || is_list_or_tuple(right))) {
    return repeat(runtime, right, left_integer);
  }
  if (op == BinaryOperator::kModulo && left.text() != nullptr) {
    throw Error("formatting with '%' is not supported");
  }
  if (op != BinaryOperator::kAdd) refuse_operands(symbol_of(op), left, right);
  if (left.text() != nullptr && right.text() != nullptr) {
    TextBuilder out(runtime.budget);
    out.append(*left.text());
    out.append(*right.text());
    return Value(out.take());
  }
  if (!is_list_or_tuple(left) || !is_list_or_tuple(right) ||
      left.sequence()->kind() != right.sequence()->kind()) {
    refuse_operands("+", left, right);
  }
  std::vector<Value> items = left.sequence()->items();
  items.insert(items.end(), right.sequence()->items().begin(), right.sequence()->items().end());
  return make_sequence(runtime.budget, left.sequence()->kind(), std::move(items));
}

Value apply(UnaryOperator op, const Value& operand) {
  if (op == UnaryOperator::kNot) return Value(!truth(operand));
  int64_t integer = 0;
  if (as_integer(operand, integer)) {
    if (op == UnaryOperator::kPlus) return Value(integer);
    if (integer == std::numeric_limits<int64_t>::min()) refuse_overflow();
    return Value(-integer);
  }
  if (operand.real() == nullptr) refuse(operand, "given a sign");
  return Value(op == UnaryOperator::kPlus ? *operand.real() : -*operand.real());
}

bool compare(Runtime& runtime, ComparisonOperator op, const Value& left, const Value& right) {
  Budget& budget = runtime.budget;
  switch (op) {
    case ComparisonOperator::kEqual:
      return equals(budget, left, right);
    case ComparisonOperator::kNotEqual:
      return !equals(budget, left, right);
    case ComparisonOperator::kLess:
      return less(budget, left, right);
    case ComparisonOperator::kLessEqual:
      return !less(budget, right, left);
    case ComparisonOperator::kGreater:
      return less(budget, right, left);
    case ComparisonOperator::kGreaterEqual:
      return !less(budget, left, right);
    case ComparisonOperator::kIn:
      return contains(runtime, right, left);
    case ComparisonOperator::kNotIn:
      break;
  }
  return !contains(runtime, right, left);
}

}  // namespace eet::jinja
