// Rows in the style of OpenAI's batch output. The simple style is in completion_test.
#include "app/job/input/row_format.h"

#include <doctest/doctest.h>

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "tests/app/byte_tokenizer.h"

namespace eet {
namespace {

using nlohmann::json;

// Of tokens that are the bytes a"b, the last one a stop token.
Completion completion(bool logprobs = false) {
  const ByteTokenizer tokenizer(/*adds_bos=*/false);
  InputRow row = parse_row(R"({"id": "r-1", "prompt_token_ids": [1, 2, 3], "k": 1})", 5, {});
  row.logprobs = logprobs;
  row.row = 4;
  CompletionBuilder builder(std::move(row), &tokenizer);
  for (const char c : {'a', '"', 'b', '.'}) {
    TokenOutput token;
    token.row = 4;
    token.token_id = static_cast<unsigned char>(c);
    token.logprob = c == '"' ? -1.0F : -0.5F;
    token.finish = c == '.' ? FinishReason::kStop : FinishReason::kNone;
    builder.push(token);
  }
  return builder.take();
}

OutputFormat openai() {
  OutputFormat format;
  format.style = RowStyle::kOpenAi;
  format.model = "dir/model";
  return format;
}

TEST_CASE("a completion is a text_completion with what passes through, created when it was") {
  Completion done = completion();
  CHECK(std::abs(done.created - std::time(nullptr)) < 100);
  done.created = 1700000000;
  CHECK(
      format_row(done, openai()) ==
      R"({"id":"batch_req_4","custom_id":"r-1","response":{"status_code":200,)"
      R"("request_id":"req_4","body":{"id":"cmpl-4","object":"text_completion","created":1700000000,)"
      R"("model":"dir/model","choices":[{"index":0,"text":"a\"b","logprobs":null,)"
      R"("finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,)"
      R"("total_tokens":7}}},"error":null,"k":1})"
      "\n");
}

TEST_CASE("a conversation is a chat.completion of the model that the row named") {
  Completion done = completion(/*logprobs=*/true);
  done.is_chat = true;
  done.model = "\"m\"";
  done.truncated = true;
  OutputFormat format = openai();
  format.token_ids = true;
  const json body = json::parse(format_row(done, format))["response"]["body"];
  CHECK(body["id"] == "chatcmpl-4");
  CHECK(body["object"] == "chat.completion");
  CHECK(body["model"] == "m");
  CHECK(body["truncated"] == true);
  const json& choice = body["choices"][0];
  CHECK(choice["message"] == json{{"role", "assistant"}, {"content", "a\"b"}});
  CHECK(choice["token_ids"] == json{97, 34, 98, 46});
  CHECK(choice["logprobs"]["content"][1] ==
        json{{"token", "\""}, {"logprob", -1.0}, {"bytes", {34}}, {"top_logprobs", json::array()}});
}

TEST_CASE("log-probabilities of a text_completion go with the names of their tokens") {
  Completion done = completion(/*logprobs=*/true);
  const auto logprobs = [&] {
    return json::parse(format_row(done, openai()))["response"]["body"]["choices"][0]["logprobs"];
  };
  CHECK(logprobs() == json{{"tokens", {"a", "\"", "b", "."}},
                           {"token_logprobs", {-0.5, -1.0, -0.5, -0.5}},
                           {"top_logprobs", nullptr},
                           {"text_offset", {0, 1, 2, 3}}});
  // Half a character, and without a tokenizer.
  done.token_bytes = {"\xC3\xBC", "\xC3", " b", ""};
  CHECK(logprobs()["tokens"] == json{"\xC3\xBC", "\xEF\xBF\xBD", " b", ""});
  CHECK(logprobs()["text_offset"] == json{0, 1, 2, 4});
  done.token_bytes.clear();
  CHECK(logprobs()["tokens"][3] == "token_id:46");
}

// As completion(), with the two likeliest tokens beside each: the same two everywhere, of which the
// chosen one is one only where it is b.
Completion completion_with_top() {
  Completion done = completion(/*logprobs=*/true);
  done.has_top = true;
  done.top.assign(4, {{98, -0.5F, "b"}, {195, -2.0F, "\xC3"}});
  return done;
}

TEST_CASE(
    "the likeliest tokens of a text_completion are by name, and the chosen one is there too") {
  Completion done = completion_with_top();
  const auto top = [&] {
    const json row = json::parse(format_row(done, openai()));
    return row["response"]["body"]["choices"][0]["logprobs"]["top_logprobs"];
  };
  CHECK(top()[0] == json{{"b", -0.5}, {"\xEF\xBF\xBD", -2.0}, {"a", -0.5}});
  CHECK(top()[2] == json{{"b", -0.5}, {"\xEF\xBF\xBD", -2.0}});
  CHECK(top().size() == 4);
  // Two halves of characters have one name: the likelier stays.
  done.top[2][0] = {196, -0.1F, "\xC4"};
  CHECK(top()[2].size() == 2);
  CHECK(top()[2]["\xEF\xBF\xBD"].get<float>() == -0.1F);
  done.token_bytes.clear();
  CHECK(top()[1] == json{{"token_id:98", -0.5}, {"token_id:195", -2.0}, {"token_id:34", -1.0}});
}

TEST_CASE("the likeliest tokens of a chat.completion are a list beside each token") {
  Completion done = completion_with_top();
  done.is_chat = true;
  const json row = json::parse(format_row(done, openai()));
  const json content = row["response"]["body"]["choices"][0]["logprobs"]["content"];
  CHECK(content[0]["token"] == "a");
  CHECK(content[0]["top_logprobs"] ==
        json{{{"token", "b"}, {"logprob", -0.5}, {"bytes", {98}}},
             {{"token", "\xEF\xBF\xBD"}, {"logprob", -2.0}, {"bytes", {195}}}});
}

TEST_CASE("the likeliest tokens of a plain row go with their ids") {
  const json row = json::parse(format_row(completion_with_top(), {}));
  CHECK(row["top_logprobs"].size() == 4);
  CHECK(row["top_logprobs"][0] ==
        json{{{"token_id", 98}, {"token", "b"}, {"logprob", -0.5}},
             {{"token_id", 195}, {"token", "\xEF\xBF\xBD"}, {"logprob", -2.0}}});
  CHECK_FALSE(json::parse(format_row(completion(/*logprobs=*/true), {})).contains("top_logprobs"));
}

TEST_CASE("an error has no response") {
  Completion failed = completion();
  failed.finish = FinishReason::kError;
  failed.error = RowError{"invalid_json", "line 5: \"x\xFF"};
  CHECK(json::parse(format_row(failed, openai())) ==
        json{{"id", "batch_req_4"},
             {"custom_id", "r-1"},
             {"response", nullptr},
             {"error", {{"code", "invalid_json"}, {"message", "line 5: \"x\xEF\xBF\xBD"}}},
             {"k", 1}});
}

TEST_CASE("a simple row says that its prompt was cut") {
  Completion done = completion();
  CHECK_FALSE(json::parse(format_row(done, {})).contains("truncated"));
  done.truncated = true;
  CHECK(json::parse(format_row(done, {}))["truncated"] == true);
}

}  // namespace
}  // namespace eet
