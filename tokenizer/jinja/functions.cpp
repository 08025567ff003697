#include <array>

#include "tokenizer/jinja/builtins.h"

namespace eet::jinja {
namespace {

// The limit of Jinja's sandbox.
constexpr int64_t kMaxRange = 100'000;

int64_t bound_of_range(const Arguments& arguments, size_t index) {
  int64_t number = 0;
  const Value& value = arguments.any().positional[index];
  if (!as_integer(value, number)) refuse(value, "a bound of a range");
  return number;
}

Value call_range(Runtime& runtime, const Arguments& arguments) {
  const size_t count = arguments.any().positional.size();
  if (count < 1 || count > 3 || !arguments.any().named.empty()) {
    arguments.fail("takes one to three integers");
  }
  int64_t at = count == 1 ? 0 : bound_of_range(arguments, 0);
  const int64_t stop = bound_of_range(arguments, count == 1 ? 0 : 1);
  const int64_t step = count == 3 ? bound_of_range(arguments, 2) : 1;
  if (step == 0) arguments.fail("needs a step other than zero");
  std::vector<Value> items;
  while (step > 0 ? at < stop : at > stop) {
    if (static_cast<int64_t>(items.size()) == kMaxRange) arguments.fail("is too long");
    runtime.budget.spend_bytes(sizeof(Value));
    items.emplace_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return make_sequence(runtime.budget, Sequence::Kind::kRange, std::move(items));
}

// dict(other, a=1, ...) and namespace(other, a=1, ...).
std::vector<Dict::Entry> collect_entries(const Arguments& arguments) {
  const CallArguments& call = arguments.any();
  std::vector<Dict::Entry> entries;
  if (call.positional.size() > 1) arguments.fail("takes one dict and named arguments");
  if (!call.positional.empty()) {
    const Dict* dict = call.positional[0].dict();
    if (dict == nullptr) refuse(call.positional[0], "read as a dict");
    entries = dict->entries();
  }
  entries.insert(entries.end(), call.named.begin(), call.named.end());
  return entries;
}

Value call_dict(Runtime& runtime, const Arguments& arguments) {
  return make_dict(runtime.budget, collect_entries(arguments));
}

Namespace& add_namespace(Runtime& runtime) {
  runtime.budget.spend_bytes(kObjectBytes);
  return runtime.namespaces.emplace_back();
}

Value call_namespace(Runtime& runtime, const Arguments& arguments) {
  Namespace& space = add_namespace(runtime);
  for (Dict::Entry& entry : collect_entries(arguments)) {
    runtime.budget.spend_bytes(entry.first.size() + kObjectBytes);
    runtime.budget.spend_steps(static_cast<int64_t>(space.entries.size()));
    space.set(entry.first, std::move(entry.second));
  }
  return Value(&space);
}

// An object that gives the next one of its items whenever it is asked.
Value call_cycler(Runtime& runtime, const Arguments& arguments) {
  const CallArguments& call = arguments.any();
  if (call.positional.empty() || !call.named.empty()) arguments.fail("takes one item or more");
  Namespace& cycler = add_namespace(runtime);
  runtime.budget.spend_bytes(static_cast<int64_t>(call.positional.size() * sizeof(Value)));
  cycler.cycle = call.positional;
  cycler.set("current", cycler.cycle.front());
  return Value(&cycler);
}

Value use_joiner(Runtime&, const Arguments& arguments) {
  Namespace& joiner = *arguments.self().space();
  if (joiner.find("used") != nullptr) return *joiner.find("separator");
  joiner.set("used", Value(true));
  return Value(std::string());
}

// A function that gives nothing when it is called first, and then always the separator.
Value call_joiner(Runtime& runtime, const Arguments& arguments) {
  static constexpr Builtin kUse = {"joiner", "", use_joiner};
  Namespace& joiner = add_namespace(runtime);
  joiner.set("separator", arguments.has(0) ? arguments.at(0) : Value(std::string(", ")));
  return Value(Callable{Value(&joiner), &kUse});
}

Value call_raise_exception(Runtime& runtime, const Arguments& arguments) {
  throw Error(to_text(runtime.budget, arguments.at(0)));
}

// Directives that say the same in C and in Python, for a time without a zone.
void check_time_format(const Arguments& arguments, const std::string& format) {
  constexpr size_t kMaxLength = 200;
  constexpr std::string_view kDirectives = "aAbBcdDeFgGhHIjmMnprRStTuUVwWxXyY%";
  if (format.size() > kMaxLength) arguments.fail("takes no format above 200 bytes");
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') continue;
    ++i;
    if (i < format.size() && format[i] == '-') ++i;  // glibc: no padding
    if (i == format.size() || kDirectives.find(format[i]) == std::string_view::npos) {
      arguments.fail("got a format that is not supported");
    }
  }
}

Value call_strftime_now(Runtime& runtime, const Arguments& arguments) {
  const std::string& format = arguments.text(0);
  check_time_format(arguments, format);
  if (format.empty()) return Value(std::string());
  std::array<char, 8192> buffer{};
  const size_t size =
      std::strftime(buffer.data(), buffer.size(), format.c_str(), &runtime.clock.now);
  const std::string_view text(buffer.data(), size);
  if (runtime.clock.told) runtime.clock.told(format, text);
  return make_text(runtime.budget, text);
}

constexpr Builtin kFunctions[] = {
    {"range", "*", call_range},
    {"dict", "*", call_dict},
    {"namespace", "*", call_namespace},
    {"cycler", "*", call_cycler},
    {"joiner", "sep?", call_joiner},
    {"raise_exception", "message", call_raise_exception},
    {"strftime_now", "format", call_strftime_now},
};

}  // namespace

const Builtin* find_function(std::string_view name) {
  if (name == "lipsum") throw Error("'lipsum' is not supported");
  return find_builtin(kFunctions, name);
}

}  // namespace eet::jinja
