// Templates that are made to take for ever: whatever they do counts, so that each ends soon.
#include <doctest/doctest.h>

#include <string>

#include "tests/cpu_time.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

// Renders `source` with a message of 4 MB; the error, or nothing.
std::string error_of(const std::string& source) {
  const std::string content(size_t{4} << 20, 'a');
  try {
    const ChatTemplate chat(source, "template", nlohmann::ordered_json::object());
    const nlohmann::ordered_json message = {{"role", "user"}, {"content", content}};
    chat.render(nlohmann::ordered_json::array({message}), /*add_generation_prompt=*/true);
  } catch (const TokenizerError& error) {
    return error.what();
  }
  return {};
}

// A template that does `expression` with the long text `t` ten billion times.
std::string for_ever(const std::string& expression) {
  return "{% set t = messages[0].content %}{% for i in range(100000) %}{% for j in range(100000) %}"
         "{% set x = " +
         expression + " %}{% endfor %}{% endfor %}";
}

TEST_CASE("whatever a template does with long text counts") {
  for (const char* expression : {"t[5]",
                                 "t[-1]",
                                 "t[99999999]",
                                 "t[:1]",
                                 "t[::-1]",
                                 "t|length",
                                 "t|upper",
                                 "t|trim",
                                 "t.strip()",
                                 "t.split('b')",
                                 "t.startswith(t)",
                                 "t.find('b')",
                                 "t.count('b')",
                                 "t == t",
                                 "t < t",
                                 "'b' in t",
                                 "t ~ t",
                                 "t * 2",
                                 "t|replace('a', 'bb')",
                                 "t|default('')|length",
                                 "t is string and t|length > 1",
                                 "{'a': t}|tojson",
                                 "''|replace(old=t, new=t)",
                                 "t.title()",
                                 "t|list|length",
                                 "t.isdigit()",
                                 "t is eq t",
                                 "t is in [t]",
                                 "''.join([t, t])",
                                 "dict(a=t)|tojson",
                                 "t|int",
                                 "t|title",
                                 "(t ~ 'b').startswith((t ~ 'c',) * 1000)",
                                 "(t ~ 'b').endswith((t ~ 'c',) * 1000)",
                                 "[t]|string|length",
                                 "'%s' ~ t"}) {
    CAPTURE(expression);
    const double start = test::cpu_seconds();
    const std::string error = error_of(for_ever(expression));
    CAPTURE(error);
    CHECK_FALSE(error.empty());
    CHECK(test::cpu_seconds() - start < 30);
  }
}

TEST_CASE("macros of many parameters and namespaces of many names count what is looked through") {
  std::string parameters;
  std::string arguments;
  std::string names;
  for (int i = 2000; i-- > 0;) {
    const std::string name = "p" + std::to_string(i);
    parameters += (parameters.empty() ? "" : ",") + name;
    arguments = name + "=1" + (arguments.empty() ? "" : ",") + arguments;
    names += (names.empty() ? "" : ",") + name + "=1";
  }
  const std::string loop = "{% for i in range(100000) %}{% for j in range(100000) %}";
  const std::string end = "{% endfor %}{% endfor %}";
  for (const std::string& source : std::vector<std::string>{
           "{% macro m(" + parameters + ") %}{% endmacro %}" + loop + "{{ m(" + arguments + ") }}" +
               end,
           "{% set n = namespace(" + names + ") %}" + loop + "{% set x = n.p0 %}" + end,
           "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", loop + end}) {
    const double start = test::cpu_seconds();
    CHECK_FALSE(error_of(source).empty());
    CHECK(test::cpu_seconds() - start < 30);
  }
}

// "name0,name1,..." up to `count`, each with `rest`.
std::string list_of(const std::string& name, int count, const std::string& rest = "") {
  std::string list;
  for (int i = 0; i < count; ++i) {
    list += (i > 0 ? "," : "") + name + std::to_string(i) + rest;
  }
  return list;
}

TEST_CASE("what one statement or call looks through counts") {
  const std::string deep = "{% for a in [1] %}";
  const std::string deep_end = "{% endfor %}";
  std::string nested;
  std::string nested_end;
  for (int i = 0; i < 90; ++i) {
    nested += deep;
    nested_end += deep_end;
  }
  for (const std::string& source : std::vector<std::string>{
           "{% set " + list_of("a", 100000) + " = range(100000) %}",
           "{{ ([1] * 100000)|map(attribute='0.' * 500000 ~ '0', default=[1])|list|length }}",
           "{{ ([[]] * 100000)|map('map', 'first', " + list_of("1", 100000) + ")|list|length }}",
           nested + for_ever("nothing") + nested_end}) {
    CAPTURE(source.substr(0, 60));
    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(error_of(source).empty());
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
  }
}

TEST_CASE("an error does not repeat a long text") {
  const std::string text = "{{ raise_exception(messages[0].content) }}";
  CHECK(error_of(text) == "template:1: chat template: " + std::string(4096, 'a') + "...");
  CHECK(error_of("{{ {}[messages[0].content].b }}").size() < 5000);
}

TEST_CASE("names of a template have a length that nobody needs more of") {
  const std::string name(1000, 'a');
  CHECK(error_of("{% set " + name + " = 1 %}{{ " + name + " }}").empty());
  CHECK(error_of("{{ x." + name + "a }}") ==
        "template:1: chat template: a name is longer than 1000 bytes");
}

}  // namespace
}  // namespace eet
