#include "app/job/input/request_reader.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/app/temp_directory.h"

namespace eet {
namespace {

InputRow parse(std::string_view text) {
  return parse_row(text, 7, {});
}

std::string error_code(std::string_view text) {
  const InputRow row = parse(text);
  return row.error ? row.error->code : "";
}

std::string error_message(std::string_view text) {
  const InputRow row = parse(text);
  return row.error ? row.error->message : "";
}

TEST_CASE("a row of text gets its line number as id and the defaults as parameters") {
  RowDefaults defaults;
  defaults.params.max_tokens = 5;
  defaults.params.temperature = 0.5F;
  defaults.stop = {"END"};
  const InputRow row = parse_row(R"({"prompt": "Gr\u00fc\u00df"})", 12, defaults);
  REQUIRE_FALSE(row.error);
  CHECK(row.id == "12");
  CHECK(row.prompt == "Gr\xC3\xBC\xC3\x9F");
  CHECK(row.params.max_tokens == 5);
  CHECK(row.params.temperature == 0.5F);
  CHECK(row.stop == std::vector<std::string>{"END"});
}

TEST_CASE("every parameter is taken from the row") {
  const InputRow row = parse(R"({"prompt_token_ids": [1, 2, 3], "max_tokens": 9, "min_tokens": 2,
    "temperature": 0.25, "top_k": -1, "top_p": 0.5, "min_p": 0.125, "repetition_penalty": 1.5,
    "presence_penalty": -1, "frequency_penalty": 2, "seed": 18446744073709551615,
    "stop": ["a", "b"], "stop_token_ids": [4, 5], "ignore_eos": true})");
  REQUIRE_FALSE(row.error);
  CHECK_FALSE(row.prompt);
  CHECK(row.prompt_ids == std::vector<int32_t>{1, 2, 3});
  CHECK(row.params.max_tokens == 9);
  CHECK(row.params.min_tokens == 2);
  CHECK(row.params.temperature == 0.25F);
  CHECK(row.params.top_k == -1);
  CHECK(row.params.top_p == 0.5F);
  CHECK(row.params.min_p == 0.125F);
  CHECK(row.params.repetition_penalty == 1.5F);
  CHECK(row.params.presence_penalty == -1.0F);
  CHECK(row.params.frequency_penalty == 2.0F);
  CHECK(row.params.seed == std::numeric_limits<uint64_t>::max());
  CHECK(row.stop == std::vector<std::string>{"a", "b"});
  CHECK(row.params.stop_token_ids == std::vector<int32_t>{4, 5});
  CHECK(row.params.ignore_eos);
}

TEST_CASE("max_tokens has its aliases, of which a row may use one") {
  CHECK(parse(R"({"prompt":"", "max_new_tokens": 3})").params.max_tokens == 3);
  CHECK(parse(R"({"prompt":"", "max_completion_tokens": 4})").params.max_tokens == 4);
  CHECK(error_code(R"({"prompt":"", "max_tokens": 3, "max_new_tokens": 4})") ==
        "invalid_parameter");
  CHECK(error_code(R"({"prompt":"", "max_tokens": 3, "max_new_tokens": null})") == "");
}

TEST_CASE("a single stop string may stand without a list") {
  CHECK(parse(R"({"prompt":"", "stop": "x"})").stop == std::vector<std::string>{"x"});
}

TEST_CASE("null is as good as absent") {
  const InputRow row =
      parse(R"({"id": null, "prompt": "p", "prompt_token_ids": null, "seed": null, "n": null})");
  REQUIRE_FALSE(row.error);
  CHECK(row.id == "7");
  CHECK(row.prompt == "p");
  CHECK(error_code(R"({"prompt": null})") == "missing_prompt");
}

TEST_CASE("token ids win over text") {
  const InputRow row = parse(R"({"prompt": "p", "prompt_token_ids": [5]})");
  CHECK_FALSE(row.prompt);
  CHECK(row.prompt_ids == std::vector<int32_t>{5});
}

TEST_CASE("ids of any string or number come out as they went in") {
  for (const std::string id : {R"("a\u0041\n")", "0", "-1", "1.50", "12345678901234567890123"}) {
    CHECK(parse("{\"prompt\":\"\",\"id\": " + id + " }").id == id);
  }
  for (const std::string id : {"true", "[1]", R"({"a":1})"}) {
    const InputRow row = parse("{\"prompt\":\"\",\"id\":" + id + "}");
    REQUIRE(row.error);
    CHECK(row.error->code == "invalid_id");
    CHECK(row.id == "7");
  }
}

TEST_CASE("unknown fields pass through in order and to the digit") {
  const InputRow row = parse(
      R"({"z": 1.10, "id": 1, "prompt": "p", "a" : {"y": [1, "}\""], "x": null}, "m\u0061x": "\\"})");
  REQUIRE_FALSE(row.error);
  CHECK(row.extra == R"(,"z":1.10,"a":{"y": [1, "}\""], "x": null},"m\u0061x":"\\")");
}

TEST_CASE("fields named like those of the output pass through under other names") {
  const InputRow row = parse(
      R"({"prompt":"p","text":1,"token_ids":[],"finish_reason":2,"usage":{},"error":3,"k":4})");
  REQUIRE_FALSE(row.error);
  CHECK(row.extra == R"(,"input_text":1,"input_token_ids":[],"input_finish_reason":2,)"
                     R"("input_usage":{},"input_error":3,"k":4)");
}

TEST_CASE("a bad row keeps its id and what passes through") {
  const InputRow row = parse(R"({"id": "x", "temperature": "hot", "k": 1, "prompt": "p"})");
  REQUIRE(row.error);
  CHECK(row.id == "\"x\"");
  CHECK(row.extra == ",\"k\":1");
  CHECK(row.error->message == "line 7: temperature: expected a number, got \"hot\"");
}

TEST_CASE("wrong types and numbers that do not fit are refused by name") {
  const char* rows[] = {
      R"({"prompt":"", "max_tokens": "5"})",
      R"({"prompt":"", "max_tokens": 5.5})",
      R"({"prompt":"", "max_tokens": 2147483648})",
      R"({"prompt":"", "max_tokens": -2147483649})",
      R"({"prompt":"", "max_tokens": true})",
      R"({"prompt":"", "temperature": [1]})",
      R"({"prompt":"", "temperature": 1e300})",
      R"({"prompt":"", "temperature": false})",
      R"({"prompt":"", "seed": -2})",
      R"({"prompt":"", "seed": 18446744073709551616})",
      R"({"prompt":"", "seed": 1.5})",
      R"({"prompt":"", "stop": ""})",
      R"({"prompt":"", "stop": ["a", ""]})",
      R"({"prompt":"", "stop": [1]})",
      R"({"prompt":"", "stop_token_ids": 5})",
      R"({"prompt":"", "stop_token_ids": ["5"]})",
      R"({"prompt":"", "ignore_eos": 1})",
  };
  for (const char* row : rows) {
    CAPTURE(row);
    CHECK(error_code(row) == "invalid_parameter");
  }
}

TEST_CASE("prompts of a wrong type are refused") {
  CHECK(error_code("{}") == "missing_prompt");
  CHECK(error_code(R"({"prompt": 5})") == "invalid_prompt");
  CHECK(error_code(R"({"prompt": ["a", "b"]})") == "invalid_prompt");
  CHECK(error_code(R"({"prompt": ["a", 5]})") == "invalid_prompt");
  CHECK(error_code(R"({"prompt": [[1], [2]]})") == "invalid_prompt");
  CHECK(error_code(R"({"prompt": [true]})") == "invalid_prompt");
  CHECK(error_code(R"({"prompt": [[[1]]]})") == "invalid_prompt");
  CHECK(error_code(R"({"prompt_token_ids": "1 2"})") == "invalid_prompt");
  CHECK(error_code(R"({"prompt_token_ids": [1, 2.5]})") == "invalid_prompt");
  CHECK(error_message(R"({"prompt_token_ids": [1, 99999999999]})") ==
        "line 7: prompt_token_ids[1]: expected a token id, got 99999999999");
}

TEST_CASE("parameters of peers are accepted at the value that changes nothing, else refused") {
  CHECK(error_code(R"({"prompt":"", "num_beams": 1, "stream": false, "logit_bias": {}})") == "");
  for (const char* field :
       {R"("num_beams": 2)", R"("stream": true)", R"("logit_bias": {"5": 1})", R"("suffix": "x")",
        R"("use_beam_search": true)", R"("prompt_logprobs": 2)", R"("guided_regex": "a*")"}) {
    CAPTURE(field);
    CHECK(error_code("{\"prompt\":\"\"," + std::string(field) + "}") == "unsupported_parameter");
  }
}

TEST_CASE("a row's own logprobs and echo win over the job's") {
  RowDefaults defaults;
  defaults.logprobs = true;
  defaults.echo = true;
  const InputRow silent = parse_row(R"({"prompt":"", "echo": null})", 1, defaults);
  CHECK(silent.logprobs);
  CHECK(silent.echo);
  const InputRow row = parse_row(R"({"prompt":"", "echo": false, "logprobs": false})", 1, defaults);
  CHECK_FALSE(row.logprobs);
  CHECK_FALSE(row.echo);
}

TEST_CASE("text that is not one JSON object is refused with its place") {
  const std::string rows[] = {
      "",
      "x",
      "5",
      "null",
      "[1]",
      "\"text\"",
      R"({"prompt": "p")",
      R"({"prompt": "p"} {})",
      R"({"prompt": "p",})",
      R"({'prompt': 'p'})",
      R"({"prompt": NaN})",
      R"({"prompt": "p", "x": 1e999})",
      R"({"prompt": "\ud800"})",
      "{\"prompt\": \"\xFF\"}",
      "{\"prompt\": \"\xC0\xAF\"}",
      std::string("{\"prompt\": \"a\0b\"}", 17),
      "{\"prompt\": \"tab\t\"}",
  };
  for (const std::string& row : rows) {
    CAPTURE(row);
    CHECK(error_code(row) == "invalid_json");
    CHECK(error_message(row).starts_with("line 7: "));
  }
  CHECK(error_message(R"({"prompt": x})").starts_with("line 7: byte 12: "));
}

TEST_CASE("deep nesting is refused without being followed") {
  const std::string open(1'000'000, '[');
  CHECK(error_message("{\"prompt\":\"\",\"x\":" + open) == "line 7: nested deeper than 64");
  CHECK(error_code(open) == "invalid_json");
  const std::string fits = "{\"prompt\":\"\",\"x\":" + std::string(63, '[') + std::string(63, ']');
  CHECK(error_code(fits + "}") == "");
}

TEST_CASE("a key given twice is refused, however it is spelled") {
  CHECK(error_code(R"({"prompt": "a", "prompt": "b"})") == "duplicate_key");
  CHECK(error_code(R"({"prompt": "a", "x": 1, "\u0078": 2})") == "duplicate_key");
  CHECK(error_code(R"({"prompt": "a", "x": {"y": 1}, "y": 2})") == "");
}

TEST_CASE("the message of a bad row stays short whatever the row holds") {
  const std::string huge(1'000'000, 'x');
  CHECK(error_message("{\"prompt\":\"\",\"seed\":\"" + huge + "\"}").size() < 200);
  CHECK(error_message("{\"prompt\":\"" + huge).size() < 400);
}

TEST_CASE("rows are counted without blank lines, which still count as lines") {
  const TempDirectory dir;
  RequestReader reader({dir.write("in",
                                  "\xEF\xBB\xBF\n{\"prompt\":\"a\"}\r\n \t\n\nbad\n"
                                  "{\"prompt\":\"b\"}")},
                       {});
  const auto first = reader.next();
  REQUIRE(first);
  CHECK(first->row == 0);
  CHECK(first->place.line == 2);
  CHECK(first->id == "2");
  const auto second = reader.next();
  REQUIRE(second);
  CHECK(second->row == 1);
  CHECK(second->place.line == 5);
  CHECK(second->error);
  const auto third = reader.next();
  REQUIRE(third);
  CHECK(third->row == 2);
  CHECK(third->prompt == "b");
  CHECK_FALSE(reader.next());
}

TEST_CASE("a line over the limit is a bad row and the next row is good") {
  const TempDirectory dir;
  const std::string huge(3'000'000, 'x');
  RequestReader reader({dir.write("in", "{\"prompt\":\"" + huge + "\"}\n{\"prompt\":\"b\"}\n")}, {},
                       {},
                       /*max_line_bytes=*/1000);
  const auto first = reader.next();
  REQUIRE(first);
  REQUIRE(first->error);
  CHECK(first->error->code == "line_too_long");
  CHECK(first->error->message == "line 1: expected at most 1000 bytes, got 3000014");
  CHECK(first->id == "1");
  const auto second = reader.next();
  REQUIRE(second);
  CHECK_FALSE(second->error);
}

}  // namespace
}  // namespace eet
