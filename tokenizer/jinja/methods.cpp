#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/python_text.h"

namespace eet::jinja {
namespace {

constexpr size_t kMaxSearchedBackwards = 256;

const std::string& self_text(const Arguments& arguments) {
  return *arguments.self().text();
}

Value strip_sides(Runtime& runtime, const Arguments& arguments, StripSides sides) {
  const std::string& text = self_text(arguments);
  return make_text(runtime.budget,
                   arguments.given(0) ? strip(text, arguments.text(0), sides) : strip(text, sides));
}

Value str_strip(Runtime& runtime, const Arguments& arguments) {
  return strip_sides(runtime, arguments, {});
}

Value str_lstrip(Runtime& runtime, const Arguments& arguments) {
  return strip_sides(runtime, arguments, {.right = false});
}

Value str_rstrip(Runtime& runtime, const Arguments& arguments) {
  return strip_sides(runtime, arguments, {.left = false});
}

// A list of texts that grows within the budget.
class TextList {
 public:
  explicit TextList(Runtime& runtime) : budget_(runtime.budget) {}

  // At most `max_splits` + 1 texts, where that is not negative.
  bool is_last(int64_t max_splits) const {
    return max_splits >= 0 && static_cast<int64_t>(items_.size()) >= max_splits;
  }

  void add(std::string_view text) { items_.push_back(make_text(budget_, text)); }
  void reverse() { std::reverse(items_.begin(), items_.end()); }
  Value take() { return make_sequence(budget_, Sequence::Kind::kList, std::move(items_)); }

 private:
  Budget& budget_;
  std::vector<Value> items_;
};

// Words between white space; the last one of `max_splits` + 1 takes the rest.
Value split_words(Runtime& runtime, std::string_view text, int64_t max_splits) {
  TextList words(runtime);
  text = strip(text, {.right = false});
  while (!text.empty()) {
    if (words.is_last(max_splits)) {
      words.add(text);
      break;
    }
    size_t end = 0;
    while (end < text.size() && !strip(text.substr(end, next_character(text, end) - end)).empty()) {
      end = next_character(text, end);
    }
    words.add(text.substr(0, end));
    text = strip(text.substr(end), {.right = false});
  }
  return words.take();
}

Value split_at(Runtime& runtime, std::string_view text, std::string_view separator,
               int64_t max_splits) {
  TextList parts(runtime);
  size_t begin = 0;
  while (!parts.is_last(max_splits)) {
    const size_t found = find_text(text, separator, begin);
    if (found == std::string_view::npos) break;
    parts.add(text.substr(begin, found - begin));
    begin = found + separator.size();
  }
  parts.add(text.substr(begin));
  return parts.take();
}

Value str_split(Runtime& runtime, const Arguments& arguments) {
  const std::string& text = self_text(arguments);
  const int64_t max_splits = arguments.integer(1, -1);
  if (!arguments.given(0)) return split_words(runtime, text, max_splits);
  if (arguments.text(0).empty()) arguments.fail("needs a separator that is not empty");
  return split_at(runtime, text, arguments.text(0), max_splits);
}

Value str_rsplit(Runtime& runtime, const Arguments& arguments) {
  const std::string& text = self_text(arguments);
  const int64_t max_splits = arguments.integer(1, -1);
  if (!arguments.given(0)) arguments.fail("without a separator is not supported");
  const std::string& separator = arguments.text(0);
  if (separator.empty()) arguments.fail("needs a separator that is not empty");
  // Searching backwards compares at every place.
  if (separator.size() > kMaxSearchedBackwards) {
    arguments.fail("takes no separator above 256 bytes");
  }
  TextList parts(runtime);
  std::string_view rest = text;
  while (!parts.is_last(max_splits)) {
    const size_t found = rest.rfind(separator);
    if (found == std::string_view::npos) break;
    parts.add(rest.substr(found + separator.size()));
    rest = rest.substr(0, found);
  }
  parts.add(rest);
  parts.reverse();
  return parts.take();
}

Value str_splitlines(Runtime& runtime, const Arguments& arguments) {
  TextList lines(runtime);
  for_each_line(self_text(arguments), [&lines](std::string_view line) { lines.add(line); });
  return lines.take();
}

// Whether `matches` holds for the argument, or for one of a tuple of them.
template <typename Matches>
bool any_affix(Runtime& runtime, const Arguments& arguments, Matches matches) {
  const Sequence* tuple = arguments.at(0).sequence();
  if (tuple == nullptr || tuple->kind() != Sequence::Kind::kTuple)
    return matches(arguments.text(0));
  return std::any_of(tuple->items().begin(), tuple->items().end(), [&](const Value& item) {
    if (item.text() == nullptr) arguments.fail("expected a tuple of str");
    runtime.budget.spend_steps();
    runtime.budget.spend_reading(item.text()->size());
    return matches(*item.text());
  });
}

Value str_startswith(Runtime& runtime, const Arguments& arguments) {
  const std::string& text = self_text(arguments);
  return Value(any_affix(runtime, arguments,
                         [&text](const std::string& affix) { return text.starts_with(affix); }));
}

Value str_endswith(Runtime& runtime, const Arguments& arguments) {
  const std::string& text = self_text(arguments);
  return Value(any_affix(runtime, arguments,
                         [&text](const std::string& affix) { return text.ends_with(affix); }));
}

Value str_removeprefix(Runtime& runtime, const Arguments& arguments) {
  std::string_view text = self_text(arguments);
  if (text.starts_with(arguments.text(0))) text.remove_prefix(arguments.text(0).size());
  return make_text(runtime.budget, text);
}

Value str_removesuffix(Runtime& runtime, const Arguments& arguments) {
  std::string_view text = self_text(arguments);
  if (text.ends_with(arguments.text(0))) text.remove_suffix(arguments.text(0).size());
  return make_text(runtime.budget, text);
}

Value str_lower(Runtime& runtime, const Arguments& arguments) {
  return make_text(runtime.budget, lower(self_text(arguments)));
}

Value str_upper(Runtime& runtime, const Arguments& arguments) {
  return make_text(runtime.budget, upper(self_text(arguments)));
}

Value str_capitalize(Runtime& runtime, const Arguments& arguments) {
  return make_text(runtime.budget, capitalize(self_text(arguments)));
}

Value str_title(Runtime& runtime, const Arguments& arguments) {
  std::string titled;
  bool inside_word = false;
  for (const char byte : self_text(arguments)) {
    if ((static_cast<uint8_t>(byte) & 0x80) != 0) {
      arguments.fail("of text outside ASCII is not supported");
    }
    const std::string_view character(&byte, 1);
    titled += inside_word ? lower(character) : upper(character);
    inside_word = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
  }
  return make_text(runtime.budget, titled);
}

Value str_replace(Runtime& runtime, const Arguments& arguments) {
  return Value(replace_text(runtime.budget, self_text(arguments), arguments.text(0),
                            arguments.text(1), arguments.integer(2, -1)));
}

// Where `part` is last in `text`, by bytes, or npos. Searching backwards compares at every place.
size_t find_last(const Arguments& arguments, std::string_view text, const std::string& part) {
  if (part.size() > kMaxSearchedBackwards) arguments.fail("takes no text above 256 bytes");
  return text.rfind(part);
}

Value index_of(std::string_view text, size_t found) {
  if (found == std::string_view::npos) return Value(int64_t{-1});
  return Value(count_characters(text.substr(0, found)));
}

Value str_find(Runtime&, const Arguments& arguments) {
  const std::string& text = self_text(arguments);
  return index_of(text, find_text(text, arguments.text(0)));
}

Value str_rfind(Runtime&, const Arguments& arguments) {
  const std::string& text = self_text(arguments);
  return index_of(text, find_last(arguments, text, arguments.text(0)));
}

Value found_index(const Arguments& arguments, size_t found) {
  if (found == std::string::npos) arguments.fail("found no such text");
  return index_of(self_text(arguments), found);
}

Value str_index(Runtime&, const Arguments& arguments) {
  return found_index(arguments, find_text(self_text(arguments), arguments.text(0)));
}

Value str_rindex(Runtime&, const Arguments& arguments) {
  return found_index(arguments, find_last(arguments, self_text(arguments), arguments.text(0)));
}

// The text before the separator, the separator and the text behind it.
Value cut_at(Runtime& runtime, const Arguments& arguments, size_t found) {
  const std::string_view text = self_text(arguments);
  const size_t separator = arguments.text(0).size();
  std::vector<Value> parts = {make_text(runtime.budget, text.substr(0, found)),
                              make_text(runtime.budget, text.substr(found, separator)),
                              make_text(runtime.budget, text.substr(found + separator))};
  return make_sequence(runtime.budget, Sequence::Kind::kTuple, std::move(parts));
}

// The whole text, where the separator is not in it, with two empty ones.
Value not_cut(Runtime& runtime, const Arguments& arguments, bool whole_is_last) {
  const Value empty{std::string()};
  const Value& whole = arguments.self();
  return make_sequence(runtime.budget, Sequence::Kind::kTuple,
                       whole_is_last ? std::vector<Value>{empty, empty, whole}
                                     : std::vector<Value>{whole, empty, empty});
}

Value str_partition(Runtime& runtime, const Arguments& arguments) {
  if (arguments.text(0).empty()) arguments.fail("needs a separator that is not empty");
  const size_t found = find_text(self_text(arguments), arguments.text(0));
  return found == std::string::npos ? not_cut(runtime, arguments, /*whole_is_last=*/false)
                                    : cut_at(runtime, arguments, found);
}

Value str_rpartition(Runtime& runtime, const Arguments& arguments) {
  if (arguments.text(0).empty()) arguments.fail("needs a separator that is not empty");
  const size_t found = find_last(arguments, self_text(arguments), arguments.text(0));
  return found == std::string::npos ? not_cut(runtime, arguments, /*whole_is_last=*/true)
                                    : cut_at(runtime, arguments, found);
}

Value str_count(Runtime&, const Arguments& arguments) {
  const std::string& text = self_text(arguments);
  const std::string& part = arguments.text(0);
  if (part.empty()) return Value(count_characters(text) + 1);
  int64_t count = 0;
  for (size_t at = find_text(text, part); at != std::string::npos;
       at = find_text(text, part, at + part.size())) {
    ++count;
  }
  return Value(count);
}

Value str_join(Runtime& runtime, const Arguments& arguments) {
  TextBuilder out(runtime.budget);
  bool is_first = true;
  for (const Value& item : items_of(runtime.budget, arguments.at(0))) {
    if (item.text() == nullptr) arguments.fail("expected a sequence of str");
    if (!is_first) out.append(self_text(arguments));
    out.append(*item.text());
    is_first = false;
  }
  return Value(out.take());
}

Value str_isspace(Runtime&, const Arguments& arguments) {
  return Value(!self_text(arguments).empty() && strip(self_text(arguments)).empty());
}

Value str_isdigit(Runtime&, const Arguments& arguments) {
  const std::string& text = self_text(arguments);
  const bool is_ascii = std::none_of(
      text.begin(), text.end(), [](char byte) { return (static_cast<uint8_t>(byte) & 0x80) != 0; });
  if (!is_ascii) arguments.fail("of text outside ASCII is not supported");
  return Value(!text.empty() && std::all_of(text.begin(), text.end(),
                                            [](char byte) { return byte >= '0' && byte <= '9'; }));
}

Value dict_get(Runtime&, const Arguments& arguments) {
  const std::string* key = arguments.at(0).text();
  const Value* found = key != nullptr ? arguments.self().dict()->find(*key) : nullptr;
  if (found != nullptr) return *found;
  return arguments.has(1) ? arguments.at(1) : Value();
}

Value dict_items(Runtime& runtime, const Arguments& arguments) {
  return make_items(runtime.budget, *arguments.self().dict(), Sequence::Kind::kView);
}

Value dict_keys(Runtime& runtime, const Arguments& arguments) {
  return make_sequence(runtime.budget, Sequence::Kind::kView,
                       items_of(runtime.budget, arguments.self()));
}

Value dict_values(Runtime& runtime, const Arguments& arguments) {
  std::vector<Value> values;
  for (const auto& [key, value] : arguments.self().dict()->entries()) values.push_back(value);
  return make_sequence(runtime.budget, Sequence::Kind::kView, std::move(values));
}

Value list_index(Runtime& runtime, const Arguments& arguments) {
  const std::vector<Value>& items = arguments.self().sequence()->items();
  for (size_t i = 0; i < items.size(); ++i) {
    if (equals(runtime.budget, items[i], arguments.at(0))) return Value(static_cast<int64_t>(i));
  }
  arguments.fail("found no such item");
}

Value list_count(Runtime& runtime, const Arguments& arguments) {
  const std::vector<Value>& items = arguments.self().sequence()->items();
  return Value(static_cast<int64_t>(
      std::count_if(items.begin(), items.end(), [&runtime, &arguments](const Value& item) {
        return equals(runtime.budget, item, arguments.at(0));
      })));
}

// Whether the arguments are others than those of the last call in this loop.
Value loop_changed(Runtime& runtime, const Arguments& arguments) {
  const Loop& loop = *arguments.self().loop();
  if (loop.changes == nullptr) {
    runtime.budget.spend_bytes(kObjectBytes);
    loop.changes = &runtime.namespaces.emplace_back();
  }
  const Value values = make_sequence(runtime.budget, Sequence::Kind::kTuple,
                                     std::vector<Value>(arguments.any().positional));
  const Value* before = loop.changes->find("values");
  if (before != nullptr && equals(runtime.budget, *before, values)) return Value(false);
  loop.changes->set("values", values);
  return Value(true);
}

Value cycler_next(Runtime&, const Arguments& arguments) {
  Namespace& cycler = *arguments.self().space();
  Value item = cycler.cycle[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.cycle.size();
  cycler.set("current", cycler.cycle[cycler.position]);
  return item;
}

Value cycler_reset(Runtime&, const Arguments& arguments) {
  Namespace& cycler = *arguments.self().space();
  cycler.position = 0;
  cycler.set("current", cycler.cycle.front());
  return Value();
}

Value loop_cycle(Runtime&, const Arguments& arguments) {
  const std::vector<Value>& choices = arguments.any().positional;
  if (choices.empty()) arguments.fail("needs something to choose from");
  return choices[arguments.self().loop()->index0 % choices.size()];
}

constexpr Builtin kTextMethods[] = {
    {"strip", "chars?", str_strip},
    {"lstrip", "chars?", str_lstrip},
    {"rstrip", "chars?", str_rstrip},
    {"split", "sep? maxsplit?", str_split},
    {"rsplit", "sep? maxsplit?", str_rsplit},
    {"splitlines", "", str_splitlines},
    {"startswith", "prefix", str_startswith},
    {"endswith", "suffix", str_endswith},
    {"removeprefix", "prefix", str_removeprefix},
    {"removesuffix", "suffix", str_removesuffix},
    {"lower", "", str_lower},
    {"upper", "", str_upper},
    {"capitalize", "", str_capitalize},
    {"title", "", str_title},
    {"replace", "old new count?", str_replace},
    {"find", "sub", str_find},
    {"rfind", "sub", str_rfind},
    {"index", "sub", str_index},
    {"rindex", "sub", str_rindex},
    {"partition", "sep", str_partition},
    {"rpartition", "sep", str_rpartition},
    {"count", "sub", str_count},
    {"join", "iterable", str_join},
    {"isspace", "", str_isspace},
    {"isdigit", "", str_isdigit},
};

constexpr Builtin kDictMethods[] = {
    {"get", "key default?", dict_get},
    {"items", "", dict_items},
    {"keys", "", dict_keys},
    {"values", "", dict_values},
};

constexpr Builtin kListMethods[] = {
    {"index", "value", list_index},
    {"count", "value", list_count},
};

constexpr Builtin kLoopMethods[] = {
    {"cycle", "*", loop_cycle},
    {"changed", "*", loop_changed},
};

constexpr Builtin kCyclerMethods[] = {
    {"next", "", cycler_next},
    {"reset", "", cycler_reset},
};

// What Python's types have besides: not to be taken for missing attributes. Methods that would
// change a value are not among them, because the reference hides those as well.
constexpr std::string_view kOtherTextMethods[] = {
    "casefold",  "center",      "encode",    "expandtabs", "format",       "format_map",
    "isalnum",   "isalpha",     "isascii",   "isdecimal",  "isidentifier", "islower",
    "isnumeric", "isprintable", "istitle",   "isupper",    "ljust",        "maketrans",
    "rjust",     "swapcase",    "translate", "zfill",
};
constexpr std::string_view kOtherDictMethods[] = {"copy", "fromkeys"};
constexpr std::string_view kOtherListMethods[] = {"copy"};
constexpr std::string_view kOtherNumberMethods[] = {
    "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator",
    "from_bytes",       "fromhex",   "hex",        "imag",      "is_integer",
    "numerator",        "real",      "to_bytes",
};

bool contains_name(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

const Builtin* find_method(const Value& self, std::string_view name) {
  std::span<const Builtin> methods;
  std::span<const std::string_view> others;
  if (self.text() != nullptr) {
    methods = kTextMethods;
    others = kOtherTextMethods;
  } else if (self.dict() != nullptr) {
    methods = kDictMethods;
    others = kOtherDictMethods;
  } else if (const Sequence* sequence = self.sequence()) {
    if (!sequence->has_indices()) return nullptr;
    methods = kListMethods;
    if (sequence->kind() == Sequence::Kind::kList) others = kOtherListMethods;
  } else if (self.loop() != nullptr) {
    methods = kLoopMethods;
  } else if (self.space() != nullptr && !self.space()->cycle.empty()) {
    methods = kCyclerMethods;
  } else if (self.boolean() || self.integer() || self.real()) {
    others = kOtherNumberMethods;
  }
  if (contains_name(others, name)) {
    throw Error(type_name(self) + "." + std::string(name) + " is not supported");
  }
  return find_builtin(methods, name);
}

}  // namespace eet::jinja
