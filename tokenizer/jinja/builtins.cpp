#include "tokenizer/jinja/builtins.h"

#include <algorithm>

namespace eet::jinja {

Arguments::Arguments(const Builtin& builtin, Value self, CallArguments call)
    : builtin_(builtin), self_(std::move(self)), call_(std::move(call)) {
  if (builtin.parameters == "*") return;
  std::string_view rest = builtin.parameters;
  size_t count = 0;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    bind(rest.substr(0, end), count++);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (call_.positional.size() > count) fail("takes fewer arguments");
  if (!call_.named.empty()) fail("has no parameter '" + call_.named.front().first + "'");
}

void Arguments::bind(std::string_view parameter, size_t index) {
  const bool is_optional = parameter.ends_with('?');
  if (is_optional) parameter.remove_suffix(1);
  const auto named = std::find_if(call_.named.begin(), call_.named.end(),
                                  [parameter](const auto& one) { return one.first == parameter; });
  if (index < call_.positional.size()) {
    values_.emplace_back(call_.positional[index]);
  } else if (named != call_.named.end()) {
    values_.emplace_back(named->second);
    call_.named.erase(named);
  } else if (is_optional) {
    values_.emplace_back();
  } else {
    fail("needs an argument '" + std::string(parameter) + "'");
  }
}

const std::string& Arguments::text(size_t index) const {
  const std::string* text = at(index).text();
  if (text != nullptr) return *text;
  if (at(index).is_undefined()) refuse(at(index), "");
  fail("expected a str, got " + type_name(at(index)));
}

int64_t Arguments::integer(size_t index, int64_t fallback) const {
  if (!has(index)) return fallback;
  int64_t number = 0;
  if (as_integer(at(index), number)) return number;
  if (at(index).is_undefined()) refuse(at(index), "");
  fail("expected an int, got " + type_name(at(index)));
}

void Arguments::fail(std::string_view what) const {
  throw Error("'" + std::string(builtin_.name) + "' " + std::string(what));
}

Value call_builtin(Runtime& runtime, const Builtin& builtin, Value self, CallArguments call) {
  const auto spend = [&runtime](const Value& value) {
    if (value.text() != nullptr) runtime.budget.spend_reading(value.text()->size());
  };
  // Calls of one filter for many items copy its arguments each time.
  runtime.budget.spend_steps(
      static_cast<int64_t>((call.positional.size() + call.named.size()) / 8));
  spend(self);
  for (const Value& argument : call.positional) spend(argument);
  for (const auto& [name, argument] : call.named) spend(argument);
  return builtin.function(runtime, Arguments(builtin, std::move(self), std::move(call)));
}

const Builtin* find_builtin(std::span<const Builtin> table, std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(),
                                  [name](const Builtin& one) { return one.name == name; });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace eet::jinja
