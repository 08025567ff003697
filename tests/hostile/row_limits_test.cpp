#include "app/job/input/row_limits.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "app/job/input/json_members.h"
#include "app/job/input/line_reader.h"
#include "app/job/input/row_parser.h"
#include "app/job/input/row_reader.h"
#include "app/job/output/completion.h"
#include "tests/app/byte_tokenizer.h"
#include "tests/app/temp_directory.h"

namespace eet {
namespace {

TEST_CASE("the size of a JSON string is that of its text as JSON") {
  std::string all;
  for (int c = 0; c < 0x80; ++c) all += static_cast<char>(c);
  for (const std::string& text : {all, std::string(), std::string("\xC3\xA9\"\\")}) {
    CHECK(json_bytes(text) + 2 == nlohmann::json(text).dump().size());
  }
}

TEST_CASE("a value that takes too much memory is a bad row") {
  std::string deep;
  for (int i = 0; i < 6'000'000; ++i) deep += "[],";
  CHECK_THROWS_AS(check_value_size("messages", "[" + deep + "0]"), BadRow);
  CHECK_NOTHROW(check_value_size("prompt", '"' + std::string(size_t{64} << 20, 'a') + '"'));
  CHECK_NOTHROW(check_value_size("ids", "[1,2,3]"));
}

// {"k0":0,"k1":0,...}
std::string object_of(int members) {
  std::string text = "{";
  for (int i = 0; i < members; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  text.back() = '}';
  return text;
}

TEST_CASE("an object whose many members keep their order is a bad row, in whatever field") {
  CHECK_NOTHROW(check_ordered_value("tools", "[" + object_of(5000) + "," + object_of(9) + "]"));
  CHECK_THROWS_AS(check_ordered_value("tools", "[" + object_of(7000) + "]"), BadRow);
  std::string many = "[";
  for (int i = 0; i < 400'000; ++i) many += "{\"a\":1},";
  many.back() = ']';
  CHECK_NOTHROW(check_ordered_value("messages", many));
  CHECK_THROWS_AS(check_ordered_value("messages", "[" + many + "," + many + "," + many + "]"),
                  BadRow);
  const auto code_of = [](const std::string& row) {
    const std::optional<RowError> error = parse_row(row, 1, {}, {}).error;
    return error ? error->code : std::string();
  };
  const std::string large = object_of(7000);
  const std::string hi = R"({"role":"user","content":"hi")";
  CHECK(code_of("{\"messages\":[" + hi + "}]}").empty());
  CHECK(code_of("{\"messages\":[" + hi + ",\"x\":" + large + "}]}") == "invalid_json");
  for (const std::string& field :
       {"\"tools\":[" + large + "]", "\"chat_template_kwargs\":" + large}) {
    CHECK(code_of("{\"messages\":[" + hi + "}]," + field + "}") == "invalid_json");
  }
}

TEST_CASE("a row or table of more fields than anybody has is refused") {
  const std::string large = object_of(70'000);
  CHECK_THROWS_AS(split_members(large), BadRow);
  CHECK(split_members(large, SIZE_MAX).size() == 70'000);
  CHECK(split_members(object_of(60'000)).size() == 60'000);
}

TEST_CASE("text whose JSON is longer than a row may be is a bad row") {
  const TempDirectory dir;
  const std::string text(100, '\x01');
  for (const InputFormat format : {InputFormat::kText, InputFormat::kCsv}) {
    const std::string path =
        dir.write("in", (format == InputFormat::kCsv ? "prompt\n" : "") + text + "\ngood\n");
    LineReader lines(path, 200);
    const RowDefaults defaults;
    const PromptOptions prompts;
    const auto rows = make_row_reader(format, lines, {defaults, prompts, 200});
    const std::optional<InputRow> bad = rows->next();
    REQUIRE((bad && bad->error));
    CHECK(bad->error->code == "line_too_long");
    const std::optional<InputRow> good = rows->next();
    REQUIRE((good && !good->error));
    CHECK(good->prompt == "good");
  }
}

TEST_CASE("a row whose output becomes too large ends with an error") {
  const ByteTokenizer tokenizer(/*adds_bos=*/false);
  InputRow row = parse_row(R"({"prompt_token_ids":[65],"n":4096})", 7, {});
  row.prompt_ids.assign(size_t{1} << 20, 1);  // a control character has six bytes in JSON
  row.echo = true;
  CompletionBuilder builder(std::move(row), &tokenizer);
  TokenOutput output;
  output.token_id = 65;
  CHECK_FALSE(builder.push(output));
  CHECK(builder.ended());
  const Completion completion = builder.take();
  REQUIRE(completion.error);
  CHECK(completion.error->code == "output_too_large");
  CHECK(completion.error->message.starts_with("line 7: "));
}

}  // namespace
}  // namespace eet
