// Rows of other tools: OpenAI batch lines, trtllm-bench lines, messages, named prompt fields.
#include "app/job/input/row_parser.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace eet {
namespace {

using nlohmann::json;

InputRow parse(std::string_view text, const PromptOptions& options = {}) {
  return parse_row(text, 7, {}, options);
}

std::string code(const InputRow& row) {
  return row.error ? row.error->code : "";
}

std::string message(const InputRow& row) {
  return row.error ? row.error->message : "";
}

json batch_line(const std::string& url, const json& body) {
  return {{"custom_id", "r-1"}, {"method", "POST"}, {"url", url}, {"body", body}};
}

InputRow completion(const json& body) {
  return parse(batch_line("/v1/completions", body).dump());
}

InputRow chat(const json& body) {
  return parse(batch_line("/v1/chat/completions", body).dump());
}

InputRow with_messages(const json& messages) {
  return parse(json{{"messages", messages}}.dump());
}

PromptOptions with_template(std::string_view source) {
  PromptOptions options;
  options.prompt_template = PromptTemplate(source);
  return options;
}

TEST_CASE("an OpenAI completion line gives prompt, parameters, model and id") {
  const InputRow row = completion({{"model", "some/model"},
                                   {"prompt", "Once"},
                                   {"max_tokens", 5},
                                   {"temperature", 0.5},
                                   {"stop", {"a"}},
                                   {"user", "u"},
                                   {"n", 1}});
  REQUIRE(message(row) == "");
  CHECK(row.id == "\"r-1\"");
  CHECK(row.prompt == "Once");
  CHECK(row.params.max_tokens == 5);
  CHECK(row.params.temperature == 0.5F);
  CHECK(row.stop == std::vector<std::string>{"a"});
  CHECK(row.model == "\"some/model\"");
  CHECK_FALSE(row.is_chat);
  CHECK(row.extra.empty());
  CHECK(completion({{"prompt", {4, 5}}}).prompt_ids == std::vector<int32_t>{4, 5});
}

TEST_CASE("an OpenAI chat line gives its messages") {
  const InputRow row = chat({{"messages", {{{"role", "user"}, {"content", "Hi"}}}}});
  REQUIRE(message(row) == "");
  CHECK(row.is_chat);
  CHECK(row.messages == R"([{"role":"user","content":"Hi"}])");
  CHECK_FALSE(row.prompt);
}

TEST_CASE("OpenAI lines that cannot run say what is wrong and keep their id") {
  json line = batch_line("/v1/completions", {{"prompt", "p"}});
  const auto changed = [&](const char* key, const json& value) {
    json other = line;
    other[key] = value;
    const InputRow row = parse(other.dump());
    CHECK(row.id == "\"r-1\"");
    return code(row);
  };
  CHECK(changed("method", "GET") == "invalid_method");
  CHECK(changed("method", nullptr) == "invalid_method");
  CHECK(changed("url", "/v1/embeddings") == "invalid_url");
  CHECK(changed("url", 5) == "invalid_url");
  CHECK(changed("body", "text") == "invalid_body");
  CHECK(changed("body", nullptr) == "invalid_body");
  CHECK(changed("body", {{"prompt", "p"}, {"frobnicate", 1}}) == "unsupported_parameter");
  CHECK(changed("body", {{"prompt", "p"}, {"stream", true}}) == "unsupported_parameter");
  CHECK(changed("body", {{"prompt", "p"}, {"model", 5}}) == "invalid_parameter");
  CHECK(changed("body", {{"prompt", {"a", "b"}}}) == "invalid_prompt");
  CHECK(changed("body", {{"messages", json::array()}}) == "unsupported_parameter");
  CHECK(changed("body", {{"max_tokens", 1}}) == "missing_prompt");
  CHECK(code(chat({{"prompt", "p"}})) == "unsupported_parameter");
  CHECK(code(parse(R"({"custom_id": true, "method": "POST"})")) == "invalid_id");
  CHECK(code(parse(R"({"custom_id": "a", "method": "POST", "url": "/v1/completions",
                       "body": {"prompt": "a", "prompt": "b"}})")) == "duplicate_key");
}

TEST_CASE("a plain row may have fields that only sound like OpenAI's") {
  const InputRow row =
      parse(R"({"prompt": "p", "url": "http://x", "body": "b", "custom_id": null})");
  CHECK(message(row) == "");
  CHECK(row.prompt == "p");
  const InputRow tagged = parse(R"({"prompt": "p", "custom_id": "c"})");
  CHECK(tagged.prompt == "p");
  CHECK(tagged.extra == R"(,"custom_id":"c")");
}

TEST_CASE("a trtllm-bench line generates as many tokens as it says, EOS or not") {
  const InputRow row = parse(R"({"task_id": 3, "prompt": "p", "output_tokens": 9, "k": 1})");
  REQUIRE(message(row) == "");
  CHECK(row.id == "3");
  CHECK(row.prompt == "p");
  CHECK(row.params.max_tokens == 9);
  CHECK(row.params.ignore_eos);
  CHECK(row.extra == ",\"k\":1");
  const InputRow ids = parse(R"({"task_id": 3, "input_ids": [1, 2], "output_tokens": 9,
                                 "ignore_eos": false})");
  CHECK(ids.prompt_ids == std::vector<int32_t>{1, 2});
  CHECK_FALSE(ids.params.ignore_eos);
  CHECK(message(parse(R"({"task_id": 3, "prompt": "p", "output_tokens": "x"})")) ==
        "line 7: output_tokens: expected a 32-bit integer, got \"x\"");
  CHECK(code(parse(R"({"task_id": 3, "prompt": "p", "output_tokens": 2, "max_tokens": 2})")) ==
        "invalid_parameter");
  const InputRow plain = parse(R"({"task_id": "HumanEval/0", "prompt": "p"})");
  CHECK(plain.id == "7");
  CHECK_FALSE(plain.params.ignore_eos);
}

TEST_CASE("messages are checked and their text parts joined") {
  const InputRow row = with_messages(
      {{{"role", "system"}, {"content", "Be \"short\"."}},
       {{"role", "user"},
        {"name", "Ann"},
        {"content", {{{"type", "text"}, {"text", "a"}}, {{"type", "text"}, {"text", "b"}}}}},
       {{"role", "assistant"}, {"content", ""}, {"tool_calls", nullptr}}});
  REQUIRE(message(row) == "");
  CHECK(row.is_chat);
  CHECK(row.messages ==
        R"([{"role":"system","content":"Be \"short\"."},{"role":"user","content":"a\nb",)"
        R"("name":"Ann"},{"role":"assistant","content":""}])");
}

TEST_CASE("messages that are not text are refused by name") {
  const auto check = [](const json& messages, const char* expected_code, const char* part) {
    const InputRow row = with_messages(messages);
    CAPTURE(messages.dump());
    CHECK(code(row) == expected_code);
    CHECK(message(row).find(part) != std::string::npos);
  };
  const json good = {{"role", "user"}, {"content", "x"}};
  check("text", "invalid_messages", "messages: expected a list");
  check(json::array(), "invalid_messages", "messages: expected a list");
  check({5}, "invalid_messages", "messages[0]: expected an object");
  check({good, {{"role", "user"}}}, "invalid_messages", "messages[1]: expected a field content");
  check({{{"content", "x"}}}, "invalid_messages", "messages[0]: expected a field role");
  check({{{"role", 1}, {"content", "x"}}}, "invalid_messages",
        "messages[0].role: expected a string");
  check({{{"role", "user"}, {"content", nullptr}}}, "invalid_messages", "messages[0].content");
  check({{{"role", "user"}, {"content", json::array()}}}, "invalid_messages",
        "messages[0].content");
  check({{{"role", "user"}, {"content", {"x"}}}}, "invalid_messages",
        "messages[0].content[0]: expected an object");
  check({{{"role", "user"},
          {"content", {{{"type", "image_url"}, {"image_url", {{"url", "data:"}}}}}}}},
        "unsupported_messages", "messages[0].content[0].type: expected text, got \"image_url\"");
  check({{{"role", "tool"}, {"content", "x"}}}, "unsupported_messages", "messages[0].role");
  check({{{"role", "assistant"}, {"content", "x"}, {"tool_calls", {1}}}}, "unsupported_messages",
        "messages[0].tool_calls is not supported");
}

TEST_CASE("messages beside another prompt are refused") {
  CHECK(code(parse(R"({"prompt": "p", "messages": [{"role": "user", "content": "x"}]})")) ==
        "invalid_prompt");
  CHECK(
      code(parse(R"({"prompt_token_ids": [1], "messages": [{"role": "user", "content": "x"}]})")) ==
      "invalid_prompt");
}

TEST_CASE("the prompt may be in a field of another name, and prompt is then like any other") {
  PromptOptions options;
  options.column = "question";
  const InputRow row = parse(R"({"question": "q", "prompt": "p"})", options);
  CHECK(row.prompt == "q");
  CHECK(row.extra == R"(,"prompt":"p")");
  CHECK(message(parse(R"({"prompt": "p"})", options)) ==
        "line 7: expected a field question, prompt_token_ids or messages, got none");
}

TEST_CASE("a template is filled with fields of any kind, which still pass through") {
  const PromptOptions options = with_template("{q}|{count}|{list}|{prompt}");
  const InputRow row = parse(
      R"({"id": 1, "q": "a\nb", "count": 1.50, "list": [1, {"x": "y"}], "prompt": "p"})", options);
  REQUIRE(message(row) == "");
  CHECK(row.prompt == "a\nb|1.50|[1, {\"x\": \"y\"}]|p");
  CHECK(row.extra == R"(,"q":"a\nb","count":1.50,"list":[1, {"x": "y"}])");
  CHECK(row.id == "1");
}

TEST_CASE("a row that lacks a field of the template, or has its own prompt, is bad") {
  const PromptOptions options = with_template("{q}");
  CHECK(message(parse(R"({"prompt": "p"})", options)) ==
        "line 7: expected a field q for the prompt template, got none");
  CHECK(code(parse(R"({"q": null})", options)) == "missing_field");
  CHECK(code(parse(R"({"q": "a", "prompt_token_ids": [1]})", options)) == "invalid_prompt");
  CHECK(code(parse(R"({"q": "a", "messages": []})", options)) == "invalid_prompt");
}

TEST_CASE("with a template every row is plain") {
  const InputRow row =
      parse(R"({"custom_id": "c", "body": "text", "url": "u"})", with_template("{body} {url}"));
  REQUIRE(message(row) == "");
  CHECK(row.prompt == "text u");
  CHECK(row.id == "7");
}

}  // namespace
}  // namespace eet
