// The part of TOML that files of flags are written in.
#include "app/cli/toml.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lib/core/error.h"

namespace eet {
namespace {

using Values = std::vector<std::string>;

Values value_of(const std::string& text) {
  const std::vector<TomlEntry> entries = read_toml("key = " + text + "\n", "file");
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].key == "key");
  return entries[0].values;
}

std::string error_of(const std::string& text) {
  try {
    read_toml(text, "job.toml");
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST_CASE("values are what a command line would have") {
  CHECK(value_of("64") == Values{"64"});
  CHECK(value_of("1_000") == Values{"1000"});
  CHECK(value_of("+5") == Values{"5"});
  CHECK(value_of("-0.5") == Values{"-0.5"});
  CHECK(value_of("1e-3 # small") == Values{"1e-3"});
  CHECK(value_of("true") == Values{"true"});
  CHECK(value_of("\"a # b\"") == Values{"a # b"});
  CHECK(value_of(R"("\n\t\"\\\u00e9\U0001F600")") == Values{"\n\t\"\\\u00e9\U0001F600"});
  CHECK(value_of(R"('C:\new')") == Values{R"(C:\new)"});
  CHECK(value_of("\"\"") == Values{""});
  CHECK(value_of("\"\"\"\none\ntwo\\\n   three\"\"\"") == Values{"one\ntwothree"});
  CHECK(value_of("'''\na\\b'c'''") == Values{"a\\b'c"});
  CHECK(value_of("\"\"\"\"quoted\"\"\"\"") == Values{"\"quoted\""});
  CHECK(value_of("[1, 2,\n  3, # three\n]") == Values{"1", "2", "3"});
  CHECK(value_of("[]").empty());
  CHECK(value_of("[\"a,b\", '\\n']") == Values{"a,b", "\\n"});
}

TEST_CASE("entries know their table and line; blanks, comments and CR do not count") {
  const std::vector<TomlEntry> entries = read_toml(
      "# a job\r\nmodel = 'm'\r\n\r\n[ generate ] # its own\n  \"max-tokens\" = "
      "5\n\n[score]\nq=true",
      "file");
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].table.empty());
  CHECK(entries[0].line == 2);
  CHECK(entries[1].table == "generate");
  CHECK(entries[1].key == "max-tokens");
  CHECK(entries[1].line == 5);
  CHECK(entries[2].table == "score");
  CHECK(entries[2].values == Values{"true"});
  CHECK(read_toml("", "file").empty());
}

TEST_CASE("what is no TOML, or nothing that a flag can be, is refused with its line") {
  struct Case {
    std::string text;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"a = 1\nb", "line 2: expected = after b"},
      {"a = ", "line 1: expected a number, true, false, or text in quotes, got ''"},
      {"a = word", "got 'word'"},
      {"a = 12x", "got '12x'"},
      {"a = 0x10", "got '0x10'"},
      {"a = 2024-01-01", "got '2024-01-01'"},
      {"a = 1 2", "expected the end of the line"},
      {"a = \"b", "expected more, got the end of the file"},
      {"a = \"b\nc\"", "expected \" before the end of the line"},
      {"a = \"b\\\nc\"", "expected \" before the end of the line"},
      {"a = 'b\nc'", "expected ' before the end of the line"},
      {"a = \"\\q\"", "expected an escape of TOML, got \\q"},
      {"a = \"\\ud800\"", "expected 4 hexadecimal digits of a Unicode character"},
      {"a = \"\\u12\"", "expected 4 hexadecimal digits"},
      {"a = {b = 1}", "got an inline table"},
      {"a = [[1]]", "got an array in an array"},
      {"a = [1 2]", "expected , or ] in an array"},
      {"a = [1", "expected , or ] in an array"},
      {"a.b = 1", "got a dotted key"},
      {"[[a]]\n", "got an array of tables"},
      {"[a\n", "expected ] after [a"},
      {"[a]\n[a]\n", "line 2: expected [a] once"},
      {"a = 1\na = 2", "line 2: expected a once"},
      {"= 1", "expected the name of a flag"},
      {"a = \"\xFF\"", "expected UTF-8"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.text);
    const std::string error = error_of(each.text);
    CAPTURE(error);
    CHECK(error.starts_with("job.toml: line "));
    CHECK(error.find(each.message) != std::string::npos);
  }
}

}  // namespace
}  // namespace eet
