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

Value call_namespace(Runtime& runtime, const Arguments& arguments) {
  runtime.budget.spend_bytes(kObjectBytes);
  Namespace& space = runtime.namespaces.emplace_back();
  for (Dict::Entry& entry : collect_entries(arguments)) {
    runtime.budget.spend_bytes(entry.first.size() + kObjectBytes);
    runtime.budget.spend_steps(static_cast<int64_t>(space.entries.size()));
    space.set(entry.first, std::move(entry.second));
  }
  return Value(&space);
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
    {"raise_exception", "message", call_raise_exception},
    {"strftime_now", "format", call_strftime_now},
};

}  // namespace

const Builtin* find_function(std::string_view name) {
  if (name == "cycler" || name == "joiner" || name == "lipsum") {
    throw Error("'" + std::string(name) + "' is not supported");
  }
  return find_builtin(kFunctions, name);
}

}  // namespace eet::jinja
