// What templates can call without defining it: filters, tests, methods and functions.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/jinja/clock.h"
#include "tokenizer/jinja/value.h"

namespace eet::jinja {

// What a rendering has beside its template and variables.
struct Runtime {
  Budget budget;
  Clock clock;                       // for strftime_now
  std::deque<Namespace> namespaces;  // all that were made
};

struct CallArguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

class Arguments;

struct Builtin {
  std::string_view name;
  // Names of the parameters, "?" behind those that may be left out; "*" for any arguments at all.
  std::string_view parameters;
  Value (*function)(Runtime& runtime, const Arguments& arguments);
};

// The arguments of one call, in the order of the parameters.
class Arguments {
 public:
  // `self` is what a filter or test is applied to, or whose method is called. Error where the
  // arguments do not fit the parameters.
  Arguments(const Builtin& builtin, Value self, CallArguments call);

  const Value& self() const { return self_; }
  const CallArguments& any() const { return call_; }  // where parameters are "*"

  bool has(size_t index) const { return values_[index].has_value(); }
  const Value& at(size_t index) const { return *values_[index]; }

  // Error where the argument is there with another type.
  const std::string& text(size_t index) const;
  int64_t integer(size_t index, int64_t fallback) const;
  // What Python's bool() makes of it.
  bool flag(size_t index) const { return has(index) && truth(at(index)); }
  // There and not None.
  bool given(size_t index) const { return has(index) && !at(index).is_none(); }

  [[noreturn]] void fail(std::string_view what) const;

 private:
  void bind(std::string_view parameter, size_t index);

  const Builtin& builtin_;
  Value self_;
  CallArguments call_;
  std::vector<std::optional<Value>> values_;
};

Value call_builtin(Runtime& runtime, const Builtin& builtin, Value self, CallArguments call);

// Null where there is none of that name.
const Builtin* find_filter(std::string_view name);
const Builtin* find_sequence_filter(std::string_view name);  // part of find_filter
const Builtin* find_test(std::string_view name);
// Error on functions that Jinja has, and methods that Python has, and this does not.
const Builtin* find_function(std::string_view name);
const Builtin* find_method(const Value& self, std::string_view name);

const Builtin* find_builtin(std::span<const Builtin> table, std::string_view name);

}  // namespace eet::jinja
