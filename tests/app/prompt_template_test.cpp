#include "app/job/input/prompt_template.h"

#include <doctest/doctest.h>

#include <map>

#include "app/job/input/json_members.h"

namespace eet {
namespace {

std::string render(std::string_view source, const std::map<std::string, std::string>& fields) {
  return PromptTemplate(source).render([&](std::string_view name) -> std::optional<std::string> {
    const auto found = fields.find(std::string(name));
    if (found == fields.end()) return std::nullopt;
    return found->second;
  });
}

TEST_CASE("fields take their places and what they hold is not looked into") {
  CHECK(render("{a} and {b c}, {a}", {{"a", "{b c}\\n"}, {"b c", "2"}}) ==
        "{b c}\\n and 2, {b c}\\n");
}

TEST_CASE("doubled braces are braces and backslashes write what shells do not") {
  CHECK(render(R"({{"x": {a}}}\n\t\r\\)", {{"a", "1"}}) == "{\"x\": 1}\n\t\r\\");
  CHECK(render("{{{a}}}", {{"a", "1"}}) == "{1}");
}

TEST_CASE("an absent field is named") {
  CHECK_THROWS_WITH_AS(render("{a} {b}", {{"a", "1"}}),
                       "expected a field b for the prompt template, got none", BadRow);
}

TEST_CASE("the fields of a template are known") {
  CHECK(PromptTemplate("{a}{b}-{a}").fields() == std::vector<std::string>{"a", "b", "a"});
}

TEST_CASE("a template that cannot be meant is refused with its place") {
  const auto check = [](std::string_view source, const char* message) {
    CAPTURE(source);
    CHECK_THROWS_WITH_AS(PromptTemplate{source}, doctest::Contains(message), Error);
  };
  check("", "expected at least one {field}");
  check("text {{x}}", "expected at least one {field}");
  check("ab {c", "the { at byte 4 has no }");
  check("ab {c{d}}", "the { at byte 4 has no }");
  check("{", "the { at byte 1 has no }");
  check("a } {b}", "the } at byte 3 closes nothing");
  check("{}", "the {} at byte 1 names no field");
  check("{a}\\", "expected \\n, \\t, \\r or \\\\ at byte 4");
  check("{a}\\d", "got \"\\d\"");
}

}  // namespace
}  // namespace eet
