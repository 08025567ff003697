#include "app/job/text/prompt_encoder.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "app/job/input/row_parser.h"
#include "tests/app/byte_tokenizer.h"
#include "tests/app/temp_directory.h"

namespace eet {
namespace {

const ByteTokenizer kTokenizer(/*adds_bos=*/true);

// Encodes with max_model_len 20.
InputRow encoded(std::string_view text, LongPrompts long_prompts, const ModelChat& chat = {}) {
  InputRow row = parse_row(text, 4, {});
  PromptEncoder(&kTokenizer, chat, /*max_model_len=*/20, long_prompts).encode(row);
  return row;
}

std::string text_of(const InputRow& row) {
  std::string text;
  for (const int32_t id : row.prompt_ids) text += id == ByteTokenizer::kBos ? '^' : char(id);
  return text;
}

constexpr std::string_view kLong = R"({"prompt": "abcdefghijklmnopqrstuvwxyz", "max_tokens": 6})";

TEST_CASE("a long prompt is cut to make room for its completion, and says so") {
  const InputRow left = encoded(kLong, LongPrompts::kTruncateLeft);
  CHECK(text_of(left) == "^nopqrstuvwxyz");
  CHECK(left.truncated);
  const InputRow right = encoded(kLong, LongPrompts::kTruncateRight);
  CHECK(text_of(right) == "^abcdefghijklm");
  CHECK(right.truncated);
  CHECK_FALSE(encoded(kLong, LongPrompts::kError).truncated);
}

TEST_CASE("a prompt that fits with its completion is left alone") {
  const InputRow row =
      encoded(R"({"prompt": "abcdefghijklm", "max_tokens": 6})", LongPrompts::kTruncateLeft);
  CHECK(text_of(row) == "^abcdefghijklm");
  CHECK_FALSE(row.truncated);
}

TEST_CASE("half of the positions stay with the prompt, however much is to be generated") {
  const InputRow row = encoded(R"({"prompt": "abcdefghijklmnopq", "max_tokens": 2147483647})",
                               LongPrompts::kTruncateLeft);
  CHECK(text_of(row) == "^ijklmnopq");
}

TEST_CASE("token ids are cut too, with BOS kept where there is one") {
  CHECK(text_of(encoded(R"({"prompt_token_ids": [97, 98, 99, 100], "max_tokens": 18})",
                        LongPrompts::kTruncateRight)) == "abcd");
  CHECK(text_of(encoded(R"({"prompt_token_ids": [97,98,99,100,101,102,103,104,105,106,107,108],
                            "max_tokens": 11})",
                        LongPrompts::kTruncateLeft)) == "cdefghijkl");
}

TEST_CASE("text beyond any possible number of tokens is cut between characters, not tokenized") {
  const std::string huge = std::string(999, 'x') + std::string(20 * 12 - 1, 'a') +
                           "\xC3\xA9"
                           "b";
  const std::string row = "{\"max_tokens\":10,\"prompt\":\"" + huge + "\"}";
  const InputRow left = encoded(row, LongPrompts::kTruncateLeft);
  REQUIRE_FALSE(left.error);
  CHECK(text_of(left) ==
        "^aaaaaa\xC3\xA9"
        "b");
  CHECK(left.truncated);
  const std::string front = "{\"max_tokens\":10,\"prompt\":\"b" + std::string(20 * 12 - 2, 'a') +
                            "\xC3\xA9" + std::string(999, 'x') + "\"}";
  const InputRow right = encoded(front, LongPrompts::kTruncateRight);
  REQUIRE_FALSE(right.error);
  CHECK(text_of(right) == "^baaaaaaaa");
}

TEST_CASE("messages are rendered by the model's template, which alone says whether there is BOS") {
  const TempDirectory dir;
  dir.write("chat_template.jinja",
            "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
            "{% if add_generation_prompt %}>{% endif %}");
  const InputRow row = encoded(R"({"messages": [{"role": "u", "content": "Hi"}]})",
                               LongPrompts::kError, ModelChat(dir.file("")));
  REQUIRE_FALSE(row.error);
  CHECK(text_of(row) == "[u]Hi>");
  CHECK(row.is_chat);
}

TEST_CASE("messages that the template refuses are a bad row") {
  const TempDirectory dir;
  dir.write("chat_template.jinja", "{{ raise_exception('roles must alternate') }}");
  const InputRow row = encoded(R"({"messages": [{"role": "u", "content": "Hi"}]})",
                               LongPrompts::kError, ModelChat(dir.file("")));
  REQUIRE(row.error);
  CHECK(row.error->code == "invalid_messages");
  CHECK(row.error->message.find("roles must alternate") != std::string::npos);
}

TEST_CASE("messages need a chat template, and say which one is wrong") {
  constexpr std::string_view kRow = R"({"messages": [{"role": "user", "content": "Hi"}]})";
  const InputRow none = encoded(kRow, LongPrompts::kError);
  REQUIRE(none.error);
  CHECK(none.error->code == "no_chat_template");
  const TempDirectory dir;
  dir.write("chat_template.jinja", "{% unknown %}");
  const InputRow broken = encoded(kRow, LongPrompts::kError, ModelChat(dir.file("")));
  REQUIRE(broken.error);
  CHECK(broken.error->code == "no_chat_template");
}

}  // namespace
}  // namespace eet
