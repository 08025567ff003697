#include "tokenizer/jinja/value.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tokenizer/jinja/python_text.h"

namespace eet::jinja {
namespace {

int checked_depth(int of_contents) {
  if (of_contents >= kMaxValueDepth) throw Error("lists or dicts are nested too deeply");
  return of_contents + 1;
}

int depth_of(const std::vector<Value>& items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  return depth;
}

bool is_number(const Value& value) {
  return value.boolean() != nullptr || value.integer() != nullptr || value.real() != nullptr;
}

bool equal_numbers(const Value& left, const Value& right) {
  int64_t left_integer = 0;
  int64_t right_integer = 0;
  if (as_integer(left, left_integer) && as_integer(right, right_integer)) {
    return left_integer == right_integer;
  }
  double left_real = 0;
  double right_real = 0;
  as_real(left, left_real);
  as_real(right, right_real);
  return left_real == right_real;
}

bool equal_items(Budget& budget, const Sequence& left, const Sequence& right) {
  if (&left == &right) return true;
  if (left.kind() != right.kind() || !left.has_indices()) return false;
  return std::equal(
      left.items().begin(), left.items().end(), right.items().begin(), right.items().end(),
      [&budget](const Value& one, const Value& other) { return equals(budget, one, other); });
}

bool equal_entries(Budget& budget, const Dict& left, const Dict& right) {
  if (left.entries().size() != right.entries().size()) return false;
  for (const auto& [key, value] : left.entries()) {
    const Value* other = right.find(key);
    if (other == nullptr || !equals(budget, value, *other)) return false;
  }
  return true;
}

bool less_items(Budget& budget, const Sequence& left, const Sequence& right) {
  const size_t common = std::min(left.items().size(), right.items().size());
  for (size_t i = 0; i < common; ++i) {
    if (equals(budget, left.items()[i], right.items()[i])) continue;
    return less(budget, left.items()[i], right.items()[i]);
  }
  return left.items().size() < right.items().size();
}

}  // namespace

Value::Value(Sequence sequence) : storage_(std::make_shared<const Sequence>(std::move(sequence))) {}
Value::Value(Dict dict) : storage_(std::make_shared<const Dict>(std::move(dict))) {}
Value::Value(Callable callable) {
  checked_depth(callable.self.depth());
  storage_ = std::make_shared<const Callable>(std::move(callable));
}

Value Value::undefined(std::string reason) {
  Value value;
  value.storage_ = Undefined{std::make_shared<const std::string>(std::move(reason))};
  return value;
}

int Value::depth() const {
  if (const Sequence* items = sequence()) return items->depth();
  if (const Dict* entries = dict()) return entries->depth();
  if (const Callable* function = callable()) return function->self.depth() + 1;
  if (const Loop* running = loop()) return running->depth;
  return 0;
}

Sequence::Sequence(Kind kind, std::vector<Value> items, bool is_group)
    : kind_(kind),
      is_group_(is_group),
      items_(std::move(items)),
      depth_(checked_depth(depth_of(items_))) {}

std::vector<Value> Sequence::read(size_t limit) const {
  const size_t begin = kind_ == Kind::kIterator ? position_ : 0;
  const size_t end = begin + std::min(limit, items_.size() - begin);
  if (kind_ == Kind::kIterator) position_ = end;
  return {items_.begin() + static_cast<std::ptrdiff_t>(begin),
          items_.begin() + static_cast<std::ptrdiff_t>(end)};
}

Dict::Dict(std::vector<Entry> entries) {
  entries_.reserve(entries.size());
  int depth = 0;
  for (Entry& entry : entries) {
    depth = std::max(depth, entry.second.depth());
    const auto [at, is_new] = index_.try_emplace(entry.first, entries_.size());
    if (is_new) {
      entries_.push_back(std::move(entry));
    } else {
      entries_[at->second].second = std::move(entry.second);
    }
  }
  depth_ = checked_depth(depth);
}

const Value* Dict::find(std::string_view key) const {
  const auto found = index_.find(std::string(key));
  return found == index_.end() ? nullptr : &entries_[found->second].second;
}

const Value* Namespace::find(std::string_view name) const {
  for (const auto& [key, value] : entries) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Namespace::set(std::string_view name, Value value) {
  for (auto& [key, old] : entries) {
    if (key != name) continue;
    old = std::move(value);
    return;
  }
  entries.emplace_back(name, std::move(value));
}

std::string type_name(const Value& value) {
  struct Names {
    std::string operator()(const Undefined&) { return "undefined"; }
    std::string operator()(const None&) { return "None"; }
    std::string operator()(bool) { return "bool"; }
    std::string operator()(int64_t) { return "int"; }
    std::string operator()(double) { return "float"; }
    std::string operator()(const std::shared_ptr<const std::string>&) { return "str"; }
    std::string operator()(const std::shared_ptr<const Sequence>& sequence) {
      constexpr const char* kNames[] = {"list", "tuple", "range", "dict view", "iterator"};
      return kNames[static_cast<int>(sequence->kind())];
    }
    std::string operator()(const std::shared_ptr<const Dict>&) { return "dict"; }
    std::string operator()(const std::shared_ptr<const Callable>&) { return "function"; }
    std::string operator()(const std::shared_ptr<const Loop>&) { return "loop"; }
    std::string operator()(Namespace*) { return "namespace"; }
  };
  return std::visit(Names{}, value.storage());
}

bool truth(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (is_number(value)) {
    double number = 0;
    as_real(value, number);
    return number != 0;
  }
  if (const std::string* text = value.text()) return !text->empty();
  if (const Sequence* items = value.sequence()) {
    return !items->has_length() || !items->items().empty();
  }
  if (const Dict* dict = value.dict()) return !dict->entries().empty();
  return true;
}

bool equals(Budget& budget, const Value& left, const Value& right) {
  budget.spend_steps();
  if (is_number(left) && is_number(right)) return equal_numbers(left, right);
  if (left.storage().index() != right.storage().index()) return false;
  if (left.is_undefined() || left.is_none()) return true;
  if (const std::string* text = left.text()) {
    budget.spend_reading(std::min(text->size(), right.text()->size()));
    return *text == *right.text();
  }
  if (const Sequence* items = left.sequence()) {
    return equal_items(budget, *items, *right.sequence());
  }
  if (const Dict* dict = left.dict()) return equal_entries(budget, *dict, *right.dict());
  if (const Callable* function = left.callable()) {
    return function->target == right.callable()->target &&
           equals(budget, function->self, right.callable()->self);
  }
  return left.loop() == right.loop() && left.space() == right.space();
}

bool less(Budget& budget, const Value& left, const Value& right) {
  budget.spend_steps();
  if (is_number(left) && is_number(right)) {
    int64_t left_integer = 0;
    int64_t right_integer = 0;
    if (as_integer(left, left_integer) && as_integer(right, right_integer)) {
      return left_integer < right_integer;
    }
    double left_real = 0;
    double right_real = 0;
    as_real(left, left_real);
    as_real(right, right_real);
    if (std::isnan(left_real) || std::isnan(right_real)) throw Error("nan has no order");
    return left_real < right_real;
  }
  if (left.text() != nullptr && right.text() != nullptr) {
    budget.spend_reading(std::min(left.text()->size(), right.text()->size()));
    return *left.text() < *right.text();  // the order of UTF-8 is the order of code points
  }
  const Sequence* one = left.sequence();
  const Sequence* other = right.sequence();
  if (one != nullptr && other != nullptr && one->kind() == other->kind() &&
      (one->kind() == Sequence::Kind::kList || one->kind() == Sequence::Kind::kTuple)) {
    return less_items(budget, *one, *other);
  }
  if (left.is_undefined()) refuse(left, "compared");
  if (right.is_undefined()) refuse(right, "compared");
  throw Error("expected values that can be ordered, got " + type_name(left) + " and " +
              type_name(right));
}

bool as_integer(const Value& value, int64_t& number) {
  if (const bool* flag = value.boolean()) {
    number = *flag ? 1 : 0;
    return true;
  }
  if (value.integer() == nullptr) return false;
  number = *value.integer();
  return true;
}

bool as_real(const Value& value, double& number) {
  int64_t integer = 0;
  if (as_integer(value, integer)) {
    number = static_cast<double>(integer);
    return true;
  }
  if (value.real() == nullptr) return false;
  number = *value.real();
  return true;
}

std::string to_text(Budget& budget, const Value& value) {
  TextBuilder out(budget);
  if (const std::string* text = value.text()) {
    out.append(*text);
  } else if (!value.is_undefined()) {
    append_repr(out, value);
  }
  return out.take();
}

namespace {

void append_repr(TextBuilder& out, std::string_view text) {
  write_repr(text, [&out](std::string_view piece) { out.append(piece); });
}

void append_items(TextBuilder& out, const Sequence& sequence) {
  const bool is_tuple = sequence.kind() == Sequence::Kind::kTuple;
  out.append(is_tuple ? "(" : "[");
  for (size_t i = 0; i < sequence.items().size(); ++i) {
    if (i > 0) out.append(", ");
    append_repr(out, sequence.items()[i]);
  }
  if (is_tuple && sequence.items().size() == 1) out.append(",");
  out.append(is_tuple ? ")" : "]");
}

void append_entries(TextBuilder& out, const Dict& dict) {
  out.append("{");
  bool is_first = true;
  for (const auto& [key, value] : dict.entries()) {
    if (!is_first) out.append(", ");
    is_first = false;
    append_repr(out, key);
    out.append(": ");
    append_repr(out, value);
  }
  out.append("}");
}

}  // namespace

void append_repr(TextBuilder& out, const Value& value) {
  const Sequence* sequence = value.sequence();
  if (value.is_undefined()) {
    out.append("Undefined");
  } else if (value.is_none()) {
    out.append("None");
  } else if (const bool* flag = value.boolean()) {
    out.append(*flag ? "True" : "False");
  } else if (const int64_t* integer = value.integer()) {
    out.append(std::to_string(*integer));
  } else if (const double* real = value.real()) {
    out.append(repr(*real));
  } else if (const std::string* text = value.text()) {
    append_repr(out, *text);
  } else if (sequence != nullptr && (sequence->kind() == Sequence::Kind::kList ||
                                     sequence->kind() == Sequence::Kind::kTuple)) {
    append_items(out, *sequence);
  } else if (const Dict* dict = value.dict()) {
    append_entries(out, *dict);
  } else {
    refuse(value, "written as text");
  }
}

std::vector<Value> items_of(Budget& budget, const Value& value) {
  std::vector<Value> items;
  if (const Sequence* sequence = value.sequence()) {
    budget.spend_bytes(sequence->items().size() * sizeof(Value));
    return sequence->read(std::numeric_limits<size_t>::max());
  }
  if (const Dict* dict = value.dict()) {
    for (const auto& [key, unused] : dict->entries()) items.push_back(make_text(budget, key));
    return items;
  }
  if (const std::string* text = value.text()) {
    for (size_t at = 0; at < text->size();) {
      const size_t begin = at;
      at = next_character(*text, at);
      items.push_back(make_text(budget, std::string_view(*text).substr(begin, at - begin)));
    }
    return items;
  }
  if (value.is_undefined()) return items;
  refuse(value, "iterated over");
}

int64_t length(const Value& value) {
  if (value.is_undefined()) return 0;
  if (const std::string* text = value.text()) return count_characters(*text);
  if (const Dict* dict = value.dict()) return static_cast<int64_t>(dict->entries().size());
  if (const Loop* loop = value.loop()) return static_cast<int64_t>(loop->items.size());
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || !sequence->has_length()) refuse(value, "measured: it has no length");
  return static_cast<int64_t>(sequence->items().size());
}

Value make_text(Budget& budget, std::string_view text) {
  budget.spend_bytes(text.size() + kObjectBytes);
  return Value(std::string(text));
}

Value make_sequence(Budget& budget, Sequence::Kind kind, std::vector<Value> items) {
  budget.spend_bytes(items.size() * sizeof(Value) + kObjectBytes);
  return Value(Sequence(kind, std::move(items)));
}

Value make_dict(Budget& budget, std::vector<Dict::Entry> entries) {
  for (const Dict::Entry& entry : entries) {
    budget.spend_bytes(2 * (entry.first.size() + kObjectBytes));
  }
  return Value(Dict(std::move(entries)));
}

Value make_items(Budget& budget, const Dict& dict, Sequence::Kind kind) {
  std::vector<Value> items;
  for (const auto& [key, value] : dict.entries()) {
    items.push_back(make_sequence(budget, Sequence::Kind::kTuple, {make_text(budget, key), value}));
  }
  return make_sequence(budget, kind, std::move(items));
}

std::string replace_text(Budget& budget, std::string_view text, std::string_view old_part,
                         std::string_view new_part, int64_t count) {
  TextBuilder out(budget);
  size_t at = 0;
  while (count != 0) {
    const size_t found = find_text(text, old_part, at);
    if (found == std::string_view::npos) break;
    if (count > 0) --count;
    out.append(text.substr(at, found - at));
    out.append(new_part);
    at = found + old_part.size();
    if (!old_part.empty()) continue;
    // An empty part is found before every character, and at the end.
    if (at == text.size()) break;
    const size_t next = next_character(text, at);
    out.append(text.substr(at, next - at));
    at = next;
  }
  out.append(text.substr(at));
  return out.take();
}

void refuse(const Value& value, std::string_view use) {
  if (const auto* missing = std::get_if<Undefined>(&value.storage())) throw Error(*missing->reason);
  throw Error("a value of type " + type_name(value) + " cannot be " + std::string(use));
}

}  // namespace eet::jinja
