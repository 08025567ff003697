#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/json_text.h"
#include "tokenizer/jinja/operators.h"
#include "tokenizer/jinja/python_text.h"

namespace eet::jinja {
namespace {

std::string self_as_text(Runtime& runtime, const Arguments& arguments) {
  return to_text(runtime.budget, arguments.self());
}

Value filter_trim(Runtime& runtime, const Arguments& arguments) {
  const std::string text = self_as_text(runtime, arguments);
  return make_text(runtime.budget,
                   arguments.given(0) ? strip(text, arguments.text(0), {}) : strip(text));
}

Value filter_lower(Runtime& runtime, const Arguments& arguments) {
  return make_text(runtime.budget, lower(self_as_text(runtime, arguments)));
}

Value filter_upper(Runtime& runtime, const Arguments& arguments) {
  return make_text(runtime.budget, upper(self_as_text(runtime, arguments)));
}

Value filter_capitalize(Runtime& runtime, const Arguments& arguments) {
  return make_text(runtime.budget, capitalize(self_as_text(runtime, arguments)));
}

// Words begin behind white space and -({[<, here in ASCII only.
Value filter_title(Runtime& runtime, const Arguments& arguments) {
  constexpr std::string_view kBeforeWords = "-({[<";
  const std::string text = self_as_text(runtime, arguments);
  std::string titled;
  bool begins_word = true;
  for (size_t at = 0; at < text.size();) {
    const size_t next = next_character(text, at);
    const std::string_view character = std::string_view(text).substr(at, next - at);
    titled += begins_word ? upper(character) : lower(character);
    begins_word =
        kBeforeWords.find(character) != std::string_view::npos || strip(character).empty();
    at = next;
  }
  return make_text(runtime.budget, titled);
}

Value filter_replace(Runtime& runtime, const Arguments& arguments) {
  Budget& budget = runtime.budget;
  return Value(replace_text(budget, self_as_text(runtime, arguments),
                            to_text(budget, arguments.at(0)), to_text(budget, arguments.at(1)),
                            arguments.given(2) ? arguments.integer(2, -1) : -1));
}

Value filter_string(Runtime& runtime, const Arguments& arguments) {
  return Value(self_as_text(runtime, arguments));
}

// HTML is never escaped here, so that nothing needs to be marked as safe from it.
Value filter_safe(Runtime& runtime, const Arguments& arguments) {
  return filter_string(runtime, arguments);
}

Value filter_indent(Runtime& runtime, const Arguments& arguments) {
  if (arguments.self().text() == nullptr) refuse(arguments.self(), "indented");
  const bool has_text = arguments.has(0) && arguments.at(0).text() != nullptr;
  const int64_t width = has_text ? 0 : std::max<int64_t>(arguments.integer(0, 4), 0);
  runtime.budget.spend_bytes(static_cast<size_t>(width));
  const std::string indent =
      has_text ? arguments.text(0) : std::string(static_cast<size_t>(width), ' ');
  // As in Jinja: a newline at the end gives an empty line there, whatever stands before it.
  const std::string text = *arguments.self().text() + "\n";
  runtime.budget.spend_bytes(2 * text.size());
  TextBuilder out(runtime.budget);
  bool is_first = true;
  for_each_line(text, [&](std::string_view line) {
    if (!is_first) out.append("\n");
    const bool is_indented = is_first ? arguments.flag(1) : arguments.flag(2) || !line.empty();
    if (is_indented) out.append(indent);
    out.append(line);
    is_first = false;
  });
  return Value(out.take());
}

Value filter_default(Runtime&, const Arguments& arguments) {
  const Value& self = arguments.self();
  if (!self.is_undefined() && !(arguments.flag(1) && !truth(self))) return self;
  return arguments.has(0) ? arguments.at(0) : Value(std::string());
}

Value filter_length(Runtime&, const Arguments& arguments) {
  return Value(length(arguments.self()));
}

Value filter_abs(Runtime&, const Arguments& arguments) {
  int64_t integer = 0;
  if (as_integer(arguments.self(), integer)) {
    if (integer == INT64_MIN) arguments.fail("gives an integer beyond 64 bits");
    return Value(std::abs(integer));
  }
  if (arguments.self().real() == nullptr) refuse(arguments.self(), "made absolute");
  return Value(std::abs(*arguments.self().real()));
}

// "common" rounds half to even, as Python's round() does.
Value filter_round(Runtime&, const Arguments& arguments) {
  const int64_t precision = arguments.integer(0, 0);
  const std::string method = arguments.has(1) ? arguments.text(1) : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    arguments.fail("expected the method common, ceil or floor");
  }
  constexpr int64_t kMaxPrecision = 15;
  if (precision < 0 || precision > kMaxPrecision) {
    arguments.fail("is supported with a precision from 0 to 15");
  }
  int64_t integer = 0;
  double real = 0;
  if (as_integer(arguments.self(), integer)) {
    if (method == "common") return Value(integer);
    real = static_cast<double>(integer);
  } else if (!as_real(arguments.self(), real)) {
    refuse(arguments.self(), "rounded");
  }
  if (method == "common") {
    // The nearest decimal of the exact value, which round() of Python gives, too.
    char digits[400];
    std::snprintf(digits, sizeof digits, "%.*f", static_cast<int>(precision), real);
    return Value(std::strtod(digits, nullptr));
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  return Value((method == "ceil" ? std::ceil(real * scale) : std::floor(real * scale)) / scale);
}

Value filter_center(Runtime& runtime, const Arguments& arguments) {
  const std::string text = self_as_text(runtime, arguments);
  const int64_t free = arguments.integer(0, 80) - count_characters(text);
  if (free <= 0) return make_text(runtime.budget, text);
  runtime.budget.spend_bytes(static_cast<size_t>(free));
  // Python puts the odd space on the left where the width is odd.
  const int64_t left = free / 2 + (free & arguments.integer(0, 80) & 1);
  return make_text(runtime.budget, std::string(static_cast<size_t>(left), ' ') + text +
                                       std::string(static_cast<size_t>(free - left), ' '));
}

Value filter_attr(Runtime&, const Arguments& arguments) {
  const Dict* dict = arguments.self().dict();
  if (dict != nullptr) return Value::undefined("a dict's items are no attributes");
  return get_attribute(arguments.self(), arguments.text(0));
}

Value filter_int(Runtime&, const Arguments& arguments) {
  const Value& self = arguments.self();
  const auto fallback = [&] { return arguments.has(0) ? arguments.at(0) : Value(int64_t{0}); };
  if (self.is_undefined()) refuse(self, "");
  int64_t integer = 0;
  if (as_integer(self, integer)) return Value(integer);
  double real = 0;
  if (const std::string* text = self.text()) {
    if (parse_integer(*text, integer)) return Value(integer);
    if (!parse_real(*text, real)) return fallback();
  } else if (!as_real(self, real)) {
    return fallback();
  }
  if (!std::isfinite(real)) return fallback();
  if (std::abs(real) >= 9.2e18) arguments.fail("gives an integer beyond 64 bits");
  return Value(static_cast<int64_t>(real));
}

Value filter_float(Runtime&, const Arguments& arguments) {
  const Value& self = arguments.self();
  if (self.is_undefined()) refuse(self, "");
  double real = 0;
  if (as_real(self, real)) return Value(real);
  if (self.text() != nullptr && parse_real(*self.text(), real)) return Value(real);
  return arguments.has(0) ? arguments.at(0) : Value(0.0);
}

std::optional<std::string> json_indent(const Arguments& arguments, size_t index) {
  if (!arguments.given(index)) return std::nullopt;
  if (arguments.at(index).text() != nullptr) return arguments.text(index);
  constexpr int64_t kMaxIndent = 100;
  const int64_t width = arguments.integer(index, 0);
  if (width > kMaxIndent) arguments.fail("takes no indent above 100");
  return std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
}

// As transformers' own: nothing is escaped for HTML.
Value filter_tojson(Runtime& runtime, const Arguments& arguments) {
  JsonStyle style;
  style.ensure_ascii = arguments.flag(0);
  style.indent = json_indent(arguments, 1);
  if (style.indent) style.item_separator = ",";
  if (arguments.given(2)) {
    const Sequence* pair = arguments.at(2).sequence();
    if (pair == nullptr || pair->items().size() != 2 || pair->items()[0].text() == nullptr ||
        pair->items()[1].text() == nullptr) {
      arguments.fail("expected two str as separators");
    }
    style.item_separator = *pair->items()[0].text();
    style.key_separator = *pair->items()[1].text();
  }
  style.sort_keys = arguments.flag(3);
  if (arguments.self().is_undefined()) refuse(arguments.self(), "");
  return Value(to_json(runtime.budget, arguments.self(), style));
}

constexpr Builtin kFilters[] = {
    {"trim", "chars?", filter_trim},
    {"lower", "", filter_lower},
    {"upper", "", filter_upper},
    {"capitalize", "", filter_capitalize},
    {"title", "", filter_title},
    {"replace", "old new count?", filter_replace},
    {"string", "", filter_string},
    {"safe", "", filter_safe},
    {"indent", "width? first? blank?", filter_indent},
    {"default", "default_value? boolean?", filter_default},
    {"d", "default_value? boolean?", filter_default},
    {"length", "", filter_length},
    {"count", "", filter_length},
    {"abs", "", filter_abs},
    {"round", "precision? method?", filter_round},
    {"center", "width?", filter_center},
    {"attr", "name", filter_attr},
    {"int", "default?", filter_int},
    {"float", "default?", filter_float},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", filter_tojson},
};

}  // namespace

const Builtin* find_filter(std::string_view name) {
  const Builtin* found = find_builtin(kFilters, name);
  return found != nullptr ? found : find_sequence_filter(name);
}

}  // namespace eet::jinja
