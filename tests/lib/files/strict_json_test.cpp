#include "lib/files/strict_json.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/cpu_time.h"

namespace eet {
namespace {

using nlohmann::json;

std::string refusal(const std::string& text, const JsonLimits& limits = {}) {
  try {
    return "parsed: " + parse_strict_json(text, limits).dump();
  } catch (const JsonError& error) {
    return error.what();
  }
}

TEST_CASE("a document is what json::parse makes of it") {
  for (const char* text :
       {"null", "true", "-3", "18446744073709551615", "1.5", "\"a\\u00e9\"", "[]", "{}",
        R"({"a":[1,[2,{"b":null}],{}],"c":{"d":{"e":[[]]}},"f":"g"})", " [1 , 2] "}) {
    CAPTURE(text);
    CHECK(parse_strict_json(text) == json::parse(text));
  }
}

TEST_CASE("malformed text is refused with its place") {
  CHECK(refusal("").starts_with("malformed JSON: parse error at line 1, column 1: "));
  CHECK(refusal("{\"a\":}").starts_with("malformed JSON: "));
  CHECK(refusal("[1] 2").starts_with("malformed JSON: "));
  CHECK(refusal("1e999").starts_with("malformed JSON: "));
  CHECK(refusal("\"\xFF\"").starts_with("malformed JSON: "));
}

TEST_CASE("the numbers that Python's json has beyond JSON's are read, outside strings only") {
  const json read = parse_strict_json(
      R"({"a":[0.0,Infinity],"b":-Infinity,"NaN":NaN,"c":"\"NaN, Infinity\\","d":1e-9})");
  CHECK(read["a"] == json({0.0, std::numeric_limits<double>::infinity()}));
  CHECK(read["b"] == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(read["NaN"].get<double>()));
  CHECK(read["c"] == "\"NaN, Infinity\\");
  CHECK(read["d"] == 1e-9);
  CHECK(text_of_json(read["b"]) == "-Infinity");
  CHECK(text_of_json(read["NaN"]) == "NaN");
  CHECK(text_of_json(read["c"]) == R"("\"NaN, Infinity\\")");
  for (const char* text : {"[nan]", "[NAN]", "[+Infinity]", "[-NaN]", "[Infinit]", "[NaN1]",
                           "[inf]", "{NaN:1}", "NaN NaN"}) {
    CAPTURE(text);
    CHECK(refusal(text).starts_with("malformed JSON: "));
  }
}

TEST_CASE("duplicate keys are refused, or the last one wins") {
  const std::string text = R"({"a":1,"b":{"a":2},"a":3})";
  CHECK(refusal(text) == "duplicate key \"a\"");
  CHECK(refusal(text, {.duplicates = DuplicateKeys::kLastWins}) ==
        R"(parsed: {"a":3,"b":{"a":2}})");
}

TEST_CASE("nesting and values have limits") {
  CHECK(refusal("[[[]]]", {.max_depth = 3}) == "parsed: [[[]]]");
  CHECK(refusal("[[[]]]", {.max_depth = 2}) == "nested deeper than 2 levels");
  CHECK(refusal(R"({"a":[1]})", {.max_values = 3}) == R"(parsed: {"a":[1]})");
  CHECK(refusal(R"({"a":[1]})", {.max_values = 2}) == "more than 2 values");
  CHECK(refusal(std::string(1'000'000, '[')) == "nested deeper than 64 levels");
}

TEST_CASE("time is linear in the number of members") {
  std::string text = "{";
  for (int i = 0; i < 250'000; ++i) text += "\"t" + std::to_string(i) + "\":{},";
  text.back() = '}';
  const double start = test::cpu_seconds();
  CHECK(parse_strict_json(text).size() == 250'000);
  // Well below a second; quadratic time was over a hundred.
  CHECK(test::cpu_seconds() - start < 20);
}

}  // namespace
}  // namespace eet
