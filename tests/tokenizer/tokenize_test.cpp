// `eet tokenize`, short of the command line.
#include "app/tokenize.h"

#include <doctest/doctest.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "app/exit_code.h"
#include "tests/app/temp_directory.h"
#include "tests/tokenizer/test_data.h"

using namespace eet;

namespace {

struct Outcome {
  int exit_code;
  std::string output;
};

Outcome tokenize(const std::string& input, bool add_special_tokens, bool decode) {
  const TempDirectory directory;
  TokenizeOptions options;
  options.model = kTalesLlama.string();
  options.input = directory.write("in", input);
  options.output = directory.file("out");
  options.add_special_tokens = add_special_tokens;
  options.decode = decode;
  const int exit_code = run_tokenize(options);
  return {exit_code, read_text(options.output)};
}

}  // namespace

TEST_CASE("rows of text become rows of ids, and come back") {
  std::string input;
  std::string expected;
  for (const auto& row : read_json_lines(kTalesLlama / "golden.jsonl")) {
    input += nlohmann::ordered_json{{"id", row["prompt"]}, {"text", row["prompt"]}}.dump() + "\n";
    expected +=
        nlohmann::ordered_json{{"id", row["prompt"]}, {"ids", row["prompt_token_ids"]}}.dump() +
        "\n";
  }
  const Outcome ids = tokenize(input, true, false);
  CHECK(ids.exit_code == kExitOk);
  CHECK(ids.output == expected);
  const Outcome without_bos = tokenize(input, false, false);
  CHECK(tokenize(without_bos.output, true, true).output == input);
}

TEST_CASE("an id comes out as it went in, or not at all") {
  CHECK(tokenize(R"({"id": 12345678901234567890123, "text": ""})", true, false).output ==
        "{\"id\":12345678901234567890123,\"ids\":[1]}\n");
  CHECK(tokenize(R"({"text": ""})", false, false).output == "{\"ids\":[]}\n");
}

TEST_CASE("plain lines become lines of ids, and come back") {
  const Outcome ids = tokenize("Once upon a time\n\n{\n", true, false);
  CHECK(ids.exit_code == kExitOk);
  CHECK(ids.output.starts_with("1 1828 702 261 516\n1\n1 "));
  const Outcome plain = tokenize("Once upon a time\n\n{\n", false, false);
  CHECK(tokenize(plain.output, true, true).output == "Once upon a time\n\n{\n");
  CHECK(tokenize("[1828, 702,261 516]", true, true).output == "Once upon a time\n");
}

TEST_CASE("a bad row is named and the job goes on") {
  const Outcome outcome = tokenize(
      "{\"id\": 1, \"text\": \"Once\"}\n"
      "{\"id\": 2, \"text\": \n"
      "plain\n"
      "{\"id\": 4, \"text\": 5}\n"
      "{\"id\": 5}\n"
      "{\"id\": 6, \"text\": \"\xFF\"}\n"
      "{\"id\": 7, \"text\": \"\\ud800\"}\n"
      "\n"
      "{\"id\": 9, \"text\": \"Once\"}\n",
      false, false);
  CHECK(outcome.exit_code == kExitFailedRows);
  const TempDirectory directory;
  const auto rows = read_json_lines(directory.write("out", outcome.output));
  REQUIRE(rows.size() == 8);
  CHECK(rows[0]["ids"] == rows[7]["ids"]);
  CHECK(rows[3]["id"] == 4);
  CHECK(rows[4]["error"]["code"] == "missing_field");
  for (size_t i = 1; i < 7; ++i) {
    CHECK(rows[i]["ids"].is_null());
    CHECK(rows[i]["error"]["message"].is_string());
  }
}

TEST_CASE("ids that are none are bad rows") {
  const Outcome outcome = tokenize(
      "{\"id\": 1, \"ids\": [1, 2048]}\n"
      "{\"id\": 2, \"ids\": [-1]}\n"
      "{\"id\": 3, \"ids\": [1.5]}\n"
      "{\"id\": 4, \"ids\": [99999999999]}\n"
      "{\"id\": 5, \"ids\": \"1\"}\n"
      "{\"id\": 6, \"ids\": [[1]]}\n"
      "{\"id\": 7, \"ids\": []}\n",
      true, true);
  CHECK(outcome.exit_code == kExitFailedRows);
  const TempDirectory directory;
  const auto rows = read_json_lines(directory.write("out", outcome.output));
  REQUIRE(rows.size() == 7);
  for (size_t i = 0; i < 6; ++i) CHECK(rows[i]["error"]["code"] == "invalid_ids");
  CHECK(rows[6]["text"] == "");
}
