#include <algorithm>
#include <numeric>
#include <utility>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/operators.h"
#include "tokenizer/jinja/python_text.h"

namespace eet::jinja {
namespace {

Value make_iterator(Runtime& runtime, std::vector<Value> items) {
  return make_sequence(runtime.budget, Sequence::Kind::kIterator, std::move(items));
}

// Follows "a.b.0" through an item; nothing to follow gives the item itself.
class AttributePath {
 public:
  AttributePath(Runtime& runtime, const Value* path) : runtime_(runtime) {
    if (path == nullptr || path->is_none()) return;
    if (path->text() == nullptr) {
      steps_.push_back(*path);
      return;
    }
    std::string_view rest = *path->text();
    while (true) {
      runtime.budget.spend_bytes(sizeof(Value));
      const size_t end = std::min(rest.find('.'), rest.size());
      steps_.push_back(step(rest.substr(0, end)));
      if (end == rest.size()) break;
      rest.remove_prefix(end + 1);
    }
  }

  Value follow(Value item, const Value* fallback = nullptr) const {
    for (const Value& key : steps_) {
      runtime_.budget.spend_steps();
      item = get_item(runtime_, item, key);
      if (fallback != nullptr && item.is_undefined()) item = *fallback;
    }
    return item;
  }

 private:
  Value step(std::string_view name) const {
    int64_t index = 0;
    const bool is_index = !name.empty() && name[0] >= '0' && name[0] <= '9';
    if (is_index && parse_integer(name, index)) return Value(index);
    return make_text(runtime_.budget, name);
  }

  Runtime& runtime_;
  std::vector<Value> steps_;
};

const Value* optional(const Arguments& arguments, size_t index) {
  return arguments.has(index) ? &arguments.at(index) : nullptr;
}

Value without_case(Runtime& runtime, const Value& value, bool case_sensitive) {
  if (case_sensitive || value.text() == nullptr) return value;
  return make_text(runtime.budget, lower(*value.text()));
}

// Items with the keys that they are compared by.
struct Keyed {
  std::vector<Value> items;
  std::vector<Value> keys;
};

Keyed keyed_items(Runtime& runtime, const Arguments& arguments, bool case_sensitive,
                  const Value* attribute) {
  const AttributePath path(runtime, attribute);
  Keyed keyed{items_of(runtime.budget, arguments.self()), {}};
  for (const Value& item : keyed.items) {
    keyed.keys.push_back(without_case(runtime, path.follow(item), case_sensitive));
  }
  return keyed;
}

std::vector<Value> sorted(Runtime& runtime, const Keyed& keyed, bool reverse) {
  std::vector<size_t> order(keyed.items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto goes_before = [&](size_t one, size_t other) {
    if (reverse) std::swap(one, other);
    return less(runtime.budget, keyed.keys[one], keyed.keys[other]);
  };
  std::stable_sort(order.begin(), order.end(), goes_before);
  std::vector<Value> items;
  items.reserve(order.size());
  for (const size_t i : order) items.push_back(keyed.items[i]);
  return items;
}

Value filter_sort(Runtime& runtime, const Arguments& arguments) {
  const Value* attribute = optional(arguments, 2);
  if (attribute != nullptr && attribute->text() != nullptr &&
      attribute->text()->find(',') != std::string::npos) {
    arguments.fail("by several attributes is not supported");
  }
  const Keyed keyed = keyed_items(runtime, arguments, arguments.flag(1), attribute);
  return make_sequence(runtime.budget, Sequence::Kind::kList,
                       sorted(runtime, keyed, arguments.flag(0)));
}

Value filter_dictsort(Runtime& runtime, const Arguments& arguments) {
  const Dict* dict = arguments.self().dict();
  if (dict == nullptr) refuse(arguments.self(), "sorted as a dict");
  const std::string by = arguments.has(1) ? arguments.text(1) : "key";
  if (by != "key" && by != "value") arguments.fail("sorts by 'key' or 'value' only");
  Keyed keyed;
  for (const auto& [key, value] : dict->entries()) {
    const Value name = make_text(runtime.budget, key);
    keyed.keys.push_back(without_case(runtime, by == "key" ? name : value, arguments.flag(0)));
    keyed.items.push_back(make_sequence(runtime.budget, Sequence::Kind::kTuple, {name, value}));
  }
  return make_sequence(runtime.budget, Sequence::Kind::kList,
                       sorted(runtime, keyed, arguments.flag(2)));
}

Value filter_unique(Runtime& runtime, const Arguments& arguments) {
  const Keyed keyed = keyed_items(runtime, arguments, arguments.flag(0), optional(arguments, 1));
  std::vector<Value> items;
  std::vector<Value> seen;
  for (size_t i = 0; i < keyed.items.size(); ++i) {
    const Value& key = keyed.keys[i];
    if (key.dict() != nullptr || key.sequence() != nullptr) refuse(key, "compared for uniqueness");
    const bool is_known = std::any_of(seen.begin(), seen.end(), [&](const Value& other) {
      return equals(runtime.budget, key, other);
    });
    if (is_known) continue;
    seen.push_back(key);
    items.push_back(keyed.items[i]);
  }
  return make_iterator(runtime, std::move(items));
}

Value extreme(Runtime& runtime, const Arguments& arguments, bool is_max) {
  const Keyed keyed = keyed_items(runtime, arguments, arguments.flag(0), optional(arguments, 1));
  if (keyed.items.empty())
    return Value::undefined("an empty sequence has no least or greatest item");
  size_t best = 0;
  for (size_t i = 1; i < keyed.items.size(); ++i) {
    const Value& one = keyed.keys[is_max ? best : i];
    const Value& other = keyed.keys[is_max ? i : best];
    if (less(runtime.budget, one, other)) best = i;
  }
  return keyed.items[best];
}

Value filter_min(Runtime& runtime, const Arguments& arguments) {
  return extreme(runtime, arguments, false);
}

Value filter_max(Runtime& runtime, const Arguments& arguments) {
  return extreme(runtime, arguments, true);
}

Value filter_sum(Runtime& runtime, const Arguments& arguments) {
  const AttributePath path(runtime, optional(arguments, 0));
  Value sum = arguments.has(1) ? arguments.at(1) : Value(int64_t{0});
  for (const Value& item : items_of(runtime.budget, arguments.self())) {
    sum = apply(runtime, BinaryOperator::kAdd, sum, path.follow(item));
  }
  return sum;
}

Value filter_join(Runtime& runtime, const Arguments& arguments) {
  const AttributePath path(runtime, optional(arguments, 1));
  const std::string separator =
      arguments.has(0) ? to_text(runtime.budget, arguments.at(0)) : std::string();
  TextBuilder out(runtime.budget);
  bool is_first = true;
  for (const Value& item : items_of(runtime.budget, arguments.self())) {
    if (!is_first) out.append(separator);
    out.append(to_text(runtime.budget, path.follow(item)));
    is_first = false;
  }
  return Value(out.take());
}

Value filter_first(Runtime& runtime, const Arguments& arguments) {
  const Sequence* sequence = arguments.self().sequence();
  const std::vector<Value> items =
      sequence != nullptr ? sequence->read(1) : items_of(runtime.budget, arguments.self());
  return items.empty() ? Value::undefined("an empty sequence has no first item") : items.front();
}

Value filter_last(Runtime& runtime, const Arguments& arguments) {
  const Sequence* sequence = arguments.self().sequence();
  if (sequence != nullptr && !sequence->has_length()) refuse(arguments.self(), "reversed");
  const std::vector<Value> items = items_of(runtime.budget, arguments.self());
  return items.empty() ? Value::undefined("an empty sequence has no last item") : items.back();
}

Value filter_list(Runtime& runtime, const Arguments& arguments) {
  return make_sequence(runtime.budget, Sequence::Kind::kList,
                       items_of(runtime.budget, arguments.self()));
}

Value filter_reverse(Runtime& runtime, const Arguments& arguments) {
  std::vector<Value> items = items_of(runtime.budget, arguments.self());
  std::reverse(items.begin(), items.end());
  if (arguments.self().text() != nullptr) {
    TextBuilder out(runtime.budget);
    for (const Value& character : items) out.append(*character.text());
    return Value(out.take());
  }
  // What cannot be read backwards is made a list first.
  const Sequence* sequence = arguments.self().sequence();
  const bool is_iterator = sequence != nullptr && !sequence->has_length();
  return make_sequence(runtime.budget,
                       is_iterator ? Sequence::Kind::kList : Sequence::Kind::kIterator,
                       std::move(items));
}

Value filter_items(Runtime& runtime, const Arguments& arguments) {
  if (arguments.self().is_undefined()) return make_iterator(runtime, {});
  const Dict* dict = arguments.self().dict();
  if (dict == nullptr) refuse(arguments.self(), "read as a dict");
  return make_items(runtime.budget, *dict, Sequence::Kind::kIterator);
}

// map("filter", ...) or map(attribute="a.b", default=...).
Value filter_map(Runtime& runtime, const Arguments& arguments) {
  CallArguments call = arguments.any();
  std::vector<Value> mapped;
  const auto named = [&call](std::string_view name) -> const Value* {
    const auto found = std::find_if(call.named.begin(), call.named.end(),
                                    [name](const auto& one) { return one.first == name; });
    return found == call.named.end() ? nullptr : &found->second;
  };
  if (call.positional.empty() && named("attribute") != nullptr) {
    const Value* fallback = named("default");
    if (fallback != nullptr && fallback->is_none()) fallback = nullptr;
    if (call.named.size() > (named("default") != nullptr ? 2 : 1)) {
      arguments.fail("got unknown arguments");
    }
    const AttributePath path(runtime, named("attribute"));
    for (const Value& item : items_of(runtime.budget, arguments.self())) {
      mapped.push_back(path.follow(item, fallback));
    }
    return make_iterator(runtime, std::move(mapped));
  }
  if (call.positional.empty() || call.positional[0].text() == nullptr) {
    arguments.fail("needs the name of a filter or an attribute");
  }
  const Builtin* filter = find_filter(*call.positional[0].text());
  if (filter == nullptr) {
    arguments.fail("with the filter '" + *call.positional[0].text() + "' is not supported");
  }
  call.positional.erase(call.positional.begin());
  for (const Value& item : items_of(runtime.budget, arguments.self())) {
    const Budget::Level level(runtime.budget);
    runtime.budget.spend_steps();
    mapped.push_back(call_builtin(runtime, *filter, item, call));
  }
  return make_iterator(runtime, std::move(mapped));
}

// Items, or with `by_attribute` those with an attribute, that pass a test or are true without one.
Value select(Runtime& runtime, const Arguments& arguments, bool by_attribute, bool wanted) {
  CallArguments call = arguments.any();
  Value attribute;
  if (by_attribute) {
    if (call.positional.empty()) arguments.fail("needs the name of an attribute");
    attribute = call.positional[0];
    call.positional.erase(call.positional.begin());
  }
  const Builtin* test = nullptr;
  if (!call.positional.empty()) {
    const std::string* name = call.positional[0].text();
    test = name != nullptr ? find_test(*name) : nullptr;
    if (test == nullptr) arguments.fail("got the name of no supported test");
    call.positional.erase(call.positional.begin());
  }
  const AttributePath path(runtime, by_attribute ? &attribute : nullptr);
  std::vector<Value> selected;
  for (const Value& item : items_of(runtime.budget, arguments.self())) {
    runtime.budget.spend_steps();
    const Value value = path.follow(item);
    const bool passes = truth(test == nullptr ? value : call_builtin(runtime, *test, value, call));
    if (passes == wanted) selected.push_back(item);
  }
  return make_iterator(runtime, std::move(selected));
}

Value filter_select(Runtime& runtime, const Arguments& arguments) {
  return select(runtime, arguments, false, true);
}

Value filter_reject(Runtime& runtime, const Arguments& arguments) {
  return select(runtime, arguments, false, false);
}

Value filter_selectattr(Runtime& runtime, const Arguments& arguments) {
  return select(runtime, arguments, true, true);
}

Value filter_rejectattr(Runtime& runtime, const Arguments& arguments) {
  return select(runtime, arguments, true, false);
}

// Lists of `count` items each, the last one filled up where there is a filling.
Value filter_batch(Runtime& runtime, const Arguments& arguments) {
  const int64_t count = arguments.integer(0, 1);
  if (count < 1) arguments.fail("expected at least 1 item a batch");
  std::vector<Value> batches;
  std::vector<Value> batch;
  const auto end_batch = [&] {
    batches.push_back(
        make_sequence(runtime.budget, Sequence::Kind::kList, std::exchange(batch, {})));
  };
  for (Value& item : items_of(runtime.budget, arguments.self())) {
    if (static_cast<int64_t>(batch.size()) == count) end_batch();
    batch.push_back(std::move(item));
  }
  if (!batch.empty()) {
    if (arguments.given(1)) {
      const auto missing = static_cast<size_t>(count) - batch.size();
      runtime.budget.spend_steps(static_cast<int64_t>(missing));
      runtime.budget.spend_bytes(missing * sizeof(Value));
      batch.resize(static_cast<size_t>(count), arguments.at(1));
    }
    end_batch();
  }
  return make_iterator(runtime, std::move(batches));
}

// `count` lists of about the same length; those that are shorter get the filling.
Value filter_slice(Runtime& runtime, const Arguments& arguments) {
  const int64_t count = arguments.integer(0, 1);
  if (count < 1) arguments.fail("expected at least 1 slice");
  runtime.budget.spend_steps(count);
  const std::vector<Value> items = items_of(runtime.budget, arguments.self());
  const auto length = static_cast<int64_t>(items.size());
  const int64_t longer = length % count;
  std::vector<Value> slices;
  int64_t begin = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t end = begin + length / count + (i < longer ? 1 : 0);
    std::vector<Value> slice(items.begin() + begin, items.begin() + end);
    if (arguments.given(1) && i >= longer) slice.push_back(arguments.at(1));
    slices.push_back(make_sequence(runtime.budget, Sequence::Kind::kList, std::move(slice)));
    begin = end;
  }
  return make_iterator(runtime, std::move(slices));
}

// (grouper, list) of the items with the same attribute, in the order of the attribute.
Value filter_groupby(Runtime& runtime, const Arguments& arguments) {
  const bool case_sensitive = arguments.flag(2);
  const AttributePath path(runtime, &arguments.at(0));
  const Value* fallback = arguments.given(1) ? &arguments.at(1) : nullptr;
  Keyed keyed{items_of(runtime.budget, arguments.self()), {}};
  const auto key_of = [&](const Value& item) { return path.follow(item, fallback); };
  for (const Value& item : keyed.items) {
    keyed.keys.push_back(without_case(runtime, key_of(item), case_sensitive));
  }
  std::vector<Value> groups;
  std::vector<Value> group;
  const auto end_group = [&] {
    if (group.empty()) return;
    Value grouper = key_of(group.front());
    Value list = make_sequence(runtime.budget, Sequence::Kind::kList, std::exchange(group, {}));
    runtime.budget.spend_bytes(2 * sizeof(Value) + kObjectBytes);
    groups.emplace_back(Sequence(Sequence::Kind::kTuple, {std::move(grouper), std::move(list)},
                                 /*is_group=*/true));
  };
  for (const Value& item : sorted(runtime, keyed, /*reverse=*/false)) {
    const auto comparable = [&](const Value& one) {
      return without_case(runtime, key_of(one), case_sensitive);
    };
    if (!group.empty() && !equals(runtime.budget, comparable(group.front()), comparable(item))) {
      end_group();
    }
    group.push_back(item);
  }
  end_group();
  return make_sequence(runtime.budget, Sequence::Kind::kList, std::move(groups));
}

constexpr Builtin kSequenceFilters[] = {
    {"join", "d? attribute?", filter_join},
    {"first", "", filter_first},
    {"last", "", filter_last},
    {"list", "", filter_list},
    {"reverse", "", filter_reverse},
    {"items", "", filter_items},
    {"map", "*", filter_map},
    {"select", "*", filter_select},
    {"reject", "*", filter_reject},
    {"selectattr", "*", filter_selectattr},
    {"rejectattr", "*", filter_rejectattr},
    {"sort", "reverse? case_sensitive? attribute?", filter_sort},
    {"dictsort", "case_sensitive? by? reverse?", filter_dictsort},
    {"unique", "case_sensitive? attribute?", filter_unique},
    {"min", "case_sensitive? attribute?", filter_min},
    {"max", "case_sensitive? attribute?", filter_max},
    {"sum", "attribute? start?", filter_sum},
    {"batch", "linecount fill_with?", filter_batch},
    {"slice", "slices fill_with?", filter_slice},
    {"groupby", "attribute default? case_sensitive?", filter_groupby},
};

}  // namespace

const Builtin* find_sequence_filter(std::string_view name) {
  return find_builtin(kSequenceFilters, name);
}

}  // namespace eet::jinja
