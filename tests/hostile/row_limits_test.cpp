#include "app/job/input/row_limits.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "app/job/input/json_members.h"
#include "app/job/input/row_parser.h"
#include "app/job/output/completion.h"
#include "tests/app/byte_tokenizer.h"

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
