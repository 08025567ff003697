#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/cpu_time.h"
#include "tokenizer/jinja/template.h"
#include "tokenizer/json_view.h"

namespace eet::jinja {
namespace {

const std::filesystem::path kTests = EET_SOURCE_DIR "/tests/tokenizer";

nlohmann::ordered_json read_goldens() {
  return nlohmann::ordered_json::parse(read_file(kTests / "jinja_goldens.json"));
}

std::string render(const std::string& source, const nlohmann::ordered_json& variables = {},
                   const Limits& limits = {}) {
  const nlohmann::ordered_json object =
      variables.is_null() ? nlohmann::ordered_json::object() : variables;
  return Template(source).render(object, {}, limits);
}

std::string error_of(const std::string& source, const Limits& limits = {}) {
  try {
    render(source, {}, limits);
  } catch (const Error& error) {
    return std::to_string(error.line()) + ": " + error.what();
  }
  return "";
}

// Whether an error says that this subset does not have what Jinja has.
bool is_refusal(const std::string& message) {
  return message.find("supported") != std::string::npos ||
         message.find("cannot be written as text") != std::string::npos ||
         message.find("beyond 64 bits") != std::string::npos;
}

TEST_CASE("small templates give what Jinja2 gives") {
  const nlohmann::ordered_json goldens = read_goldens();
  int refused = 0;
  for (const auto& golden : goldens["cases"]) {
    const std::string source = golden[0];
    CAPTURE(source);
    try {
      const std::string text = render(source, goldens["variables"]);
      if (golden[1].is_null()) {
        CHECK_MESSAGE(false, "expected an error, got " << text);
      } else {
        CHECK(text == golden[1].get<std::string>());
      }
    } catch (const Error& error) {
      CAPTURE(error.what());
      if (golden[1].is_null()) continue;
      CHECK(is_refusal(error.what()));
      ++refused;
    }
  }
  // What is refused on purpose, out of what Jinja renders.
  CHECK(refused <= 10);
  MESSAGE(goldens["cases"].size() << " templates, " << refused << " refused");
}

TEST_CASE("errors name the line and what was found there") {
  CHECK(error_of("a\n{{ 1 +\n }}") == "3: expected an expression, got '}}'");
  CHECK(error_of("\n\n{% for x in y %}") ==
        "3: expected '{% endfor %}', got the end of the template");
  CHECK(error_of("{{ x|nope }}") == "1: filter 'nope' is not supported");
  CHECK(error_of("\n{{ x is nope }}") == "2: test 'nope' is not supported");
  CHECK(error_of("\n{{ x.y }}") == "2: 'x' is undefined");
  CHECK(error_of("{% include 'x' %}") == "1: '{% include %}' is not supported here");
  CHECK(error_of("a\n{% raw %}") == "2: '{% raw %}' without '{% endraw %}'");
  CHECK(error_of("{{ f(*x) }}") == "1: '*' before an argument is not supported");
  CHECK(error_of("{% for x in [1] %}{{ loop([2]) }}{% endfor %}").find("not recursive") !=
        std::string::npos);
  CHECK(error_of("{% for x in [1] recursive %}{{ loop([2]) }}{% endfor %}")
            .find("nested too deeply") != std::string::npos);
}

std::string repeated(const std::string& part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += part;
  return text;
}

TEST_CASE("templates that would never end or grow without bound fail in short time") {
  const std::string ten_loops = repeated("{% for i in range(100000) %}", 10);
  const std::string doubling =
      "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}"
      "{% set ns.x = ns.x ~ ns.x %}{% endfor %}";
  const std::string doubled_x = "{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
  const std::vector<std::string> sources = {
      ten_loops + repeated("{% endfor %}", 10),
      doubling,
      "{{ 'a' * 9000000000000 }}",
      "{{ [[1] * 9000000] * 9000000 }}",
      "{{ ('a' * 9000000).replace('a', 'b' * 9000000) }}",
      "{{ ('a' * 9000000)|replace('', 'b' * 9000000) }}",
      "{{ ['a'] * 9000000 }}{{ (['a'] * 9000000)|join('b' * 9000000) }}",
      "{{ ('a' * 90000000)|list }}",
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
      "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}",
      "{% set ns = namespace(x=[1]) %}" + doubled_x + "{{ ns.x|tojson }}",
      "{% set ns = namespace(x=[1]) %}" + doubled_x + "{% set y = ns.x %}{% set ns.x = [1] %}" +
          doubled_x + "{{ ns.x == y }}",
      "{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}",
      "{{ " + repeated("[", 5000) + repeated("]", 5000) + " }}",
      "{{ " + repeated("not ", 5000) + "1 }}",
      "{{ " + repeated("-", 5000) + "1 }}",
      "{{ 1" + repeated(" + 1", 5000) + " }}",
      "{{ x" + repeated(".x", 5000) + " }}",
      "{{ x" + repeated("|list", 5000) + " }}",
      "{{ 1" + repeated(" if 1 else 1", 5000) + " }}",
      repeated("{% if 1 %}", 5000) + repeated("{% endif %}", 5000),
      "{{ 'x'|indent(900000000000) }}",
      "{{ [1]|tojson(indent=900000000000) }}",
      "{{ range(0, 9000000000000000000, 1) }}",
  };
  Limits limits;
  limits.steps /= 5;
  limits.bytes /= 4;
  for (const std::string& source : sources) {
    CAPTURE(source.substr(0, 120));
    const double begin = test::cpu_seconds();
    CHECK(error_of(source, limits) != "");
    CHECK(test::cpu_seconds() - begin < 30);  // tenths without sanitizers
  }
}

TEST_CASE("searching text takes linear time") {
  const std::string text = "{% set a = 'a' * 2000000 %}{% set b = 'a' * 1000000 ~ 'b' %}";
  CHECK(render(text + "{{ b in a }}{{ a.count(b) }}{{ a.split(b)|length }}{{ a.find(b) }}") ==
        "False01-1");
  CHECK(render(text + "{{ a.strip(b)|length }}{{ (a ~ 'c')|trim(b) }}") == "0c");
}

TEST_CASE("values that hold themselves do not leak and cannot be printed") {
  CHECK(render("{% set a = namespace() %}{% set a.a = a %}{{ a.a.a.a == a }}") == "True");
  CHECK(error_of("{% set a = namespace() %}{% set a.a = [a] %}{{ a.a }}") != "");
  CHECK(render("{% set ns = namespace() %}{% for i in [1] %}{{ loop.changed(loop) }}"
               "{% set ns.l = loop %}{% endfor %}{{ ns.l.changed(ns.l) }}") == "TrueFalse");
  CHECK(render("{% set ns = namespace() %}{% for i in [1] %}{% set ns.l = loop %}{% endfor %}"
               "{{ ns.l.length }}") == "1");
}

// Bytes swapped, dropped, doubled and taken from other templates.
std::string mutated(std::mt19937& random, const std::vector<std::string>& corpus) {
  const auto pick = [&random](size_t count) {
    return std::uniform_int_distribution<size_t>(0, count - 1)(random);
  };
  static const std::vector<std::string> kPieces = {"{%",
                                                   "%}",
                                                   "{{",
                                                   "}}",
                                                   "{#",
                                                   "#}",
                                                   "-",
                                                   "|",
                                                   "(",
                                                   ")",
                                                   "[",
                                                   "]",
                                                   "{",
                                                   "}",
                                                   "'",
                                                   "\"",
                                                   "\\",
                                                   ".",
                                                   ",",
                                                   ":",
                                                   "~",
                                                   "=",
                                                   "==",
                                                   "//",
                                                   "**",
                                                   " if ",
                                                   " else ",
                                                   " in ",
                                                   " is ",
                                                   " not ",
                                                   " for ",
                                                   "loop",
                                                   "loop.index0",
                                                   "messages",
                                                   "namespace(",
                                                   "range(9)",
                                                   "|tojson",
                                                   "|list",
                                                   "|sort",
                                                   "|map('upper')",
                                                   "[::-1]",
                                                   "[-1]",
                                                   "none",
                                                   "1e308",
                                                   "9223372036854775807",
                                                   "-1",
                                                   "0",
                                                   "\xC3",
                                                   "\xF0\x9F\x8E\x89",
                                                   std::string(1, '\0'),
                                                   "{% set x = x + x %}",
                                                   "{% macro f(a) %}",
                                                   "{% endmacro %}",
                                                   "{% endfor %}",
                                                   "{% endif %}",
                                                   ".split(",
                                                   ".items()",
                                                   "* 99999"};
  std::string text = corpus[pick(corpus.size())];
  const size_t edits = 1 + pick(6);
  for (size_t i = 0; i < edits; ++i) {
    const size_t at = pick(text.size() + 1);
    const size_t length = std::min(pick(12), text.size() - at);
    const std::string& other = corpus[pick(corpus.size())];
    const size_t from = pick(other.size() + 1);
    switch (pick(4)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, kPieces[pick(kPieces.size())]);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      default:
        text.replace(at, length, other.substr(from, pick(40)));
    }
  }
  return text;
}

// EET_FUZZ_SECONDS prolongs it.
TEST_CASE("mutated templates render or fail with an error of their own") {
  const nlohmann::ordered_json goldens = read_goldens();
  std::vector<std::string> corpus;
  for (const auto& golden : goldens["cases"]) corpus.push_back(golden[0]);
  for (const auto& entry : std::filesystem::directory_iterator(kTests / "templates")) {
    if (entry.path().extension() != ".jinja") continue;
    for (int i = 0; i < 20; ++i) corpus.push_back(read_file(entry.path()));
  }
  nlohmann::ordered_json variables = goldens["variables"];
  variables["messages"] = {{{"role", "user"}, {"content", "Hi"}},
                           {{"role", "assistant"}, {"content", "<think>a</think>b"}}};
  variables["tools"] = {{{"function", {{"name", "f"}}}}};
  variables["bos_token"] = "<s>";
  variables["add_generation_prompt"] = true;
  Limits limits;
  limits.steps = 200'000;
  limits.bytes = 1 << 22;
  const char* const prolonged = std::getenv("EET_FUZZ_SECONDS");
  const std::chrono::duration<double> duration(prolonged != nullptr ? std::atof(prolonged) : 3.0);
  std::mt19937 random(prolonged != nullptr ? std::random_device{}() : 4);
  const auto begin = std::chrono::steady_clock::now();
  int64_t rendered = 0;
  int64_t runs = 0;
  for (; std::chrono::steady_clock::now() - begin < duration; ++runs) {
    const std::string source = mutated(random, corpus);
    try {
      render(source, variables, limits);
      ++rendered;
    } catch (const Error&) {
      // The only type that may come out.
    }
  }
  CHECK(runs > 0);
  MESSAGE(runs << " mutated templates, " << rendered << " rendered");
}

}  // namespace
}  // namespace eet::jinja
