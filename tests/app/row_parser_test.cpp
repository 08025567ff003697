// Rows of other tools: OpenAI batch lines, trtllm-bench lines, messages, named prompt fields.
#include "app/job/input/row_parser.h"

#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
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

TEST_CASE("a prompt may be the only one of a list, as OpenAI's completions have them") {
  CHECK(completion({{"prompt", json::parse(R"(["Once"])")}}).prompt == "Once");
  CHECK(completion({{"prompt", json::parse("[[4, 5]]")}}).prompt_ids == std::vector<int32_t>{4, 5});
  CHECK(message(completion({{"prompt", {"a", "b"}}})) ==
        "line 7: prompt: expected one prompt (of several, each needs a row of its own), "
        "got [\"a\",\"b\"]");
  CHECK(parse(R"({"prompt": ["Once"]})").prompt == "Once");
}

TEST_CASE("a prompt of messages is a conversation") {
  const InputRow row = parse(R"({"prompt": [ {"role": "user", "content": "Hi"}], "tools": [{}]})");
  REQUIRE(message(row) == "");
  CHECK(row.is_chat);
  CHECK(row.messages == R"([{"role":"user","content":"Hi"}])");
  CHECK(row.chat.variables == R"({"tools":[{}]})");
  CHECK(message(parse(R"({"prompt": [{"role": "user"}]})")) ==
        "line 7: prompt[0]: expected a field content, got none");
}

TEST_CASE("other servers' words for the length and for stop strings are understood") {
  CHECK(parse(R"({"prompt": "p", "max_gen_len": 5})").params.max_tokens == 5);
  CHECK(parse(R"({"prompt": "p", "tokens_to_generate": 5})").params.max_tokens == 5);
  CHECK(parse(R"({"prompt": "p", "stop_words": ["x"]})").stop == std::vector<std::string>{"x"});
}

TEST_CASE("a seed of -1 is none") {
  CHECK_FALSE(parse(R"({"prompt": "p", "seed": -1})").params.seed);
  CHECK_FALSE(parse(R"({"prompt": "p", "seed": -1.0})").params.seed);
}

TEST_CASE("an OpenAI chat line gives its messages") {
  const InputRow row = chat({{"messages", {{{"role", "user"}, {"content", "Hi"}}}}});
  REQUIRE(message(row) == "");
  CHECK(row.is_chat);
  CHECK(row.messages == R"([{"content":"Hi","role":"user"}])");
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
  CHECK(changed("method", nullptr) == "");  // POST goes without saying
  CHECK(changed("url", "/v1/embeddings") == "invalid_url");
  CHECK(changed("url", 5) == "invalid_url");
  CHECK(changed("url", "https://api.openai.com/v1/completions") == "");
  CHECK(changed("url", "http://localhost:8000/v1/completions") == "");
  CHECK(changed("url", "/completions") == "");
  CHECK(changed("url", "https://api.openai.com/v1/embeddings") == "invalid_url");
  CHECK(changed("url", "https://v1/completions") == "");  // of a host by the name of v1
  CHECK(changed("url", "https:") == "invalid_url");
  CHECK(changed("url", "https://api.openai.com") == "invalid_url");
  // A prompt is no part of a chat.
  CHECK(changed("url", "https://api.openai.com/v1/chat/completions") == "unsupported_parameter");
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
  CHECK(tagged.id == "\"c\"");
  CHECK(tagged.extra.empty());
  const InputRow both = parse(R"({"prompt": "p", "custom_id": "c", "id": 4})");
  CHECK(both.id == "4");
  CHECK(both.extra == R"(,"custom_id":"c")");
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

TEST_CASE("messages keep what a template may use, and lose what says nothing") {
  const InputRow row = parse(R"({"messages": [
      {"role": "system", "content": "Be \"short\"."},
      {"role": "user", "content": [{"type": "text", "text": "a"}, "b",
                                   {"type": "output_text", "text": "c"}], "name": "Ann"},
      {"role": "assistant", "content": null, "refusal": null, "annotations": [], "audio": null,
       "tool_calls": [], "weight": 1},
      {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function":
          {"name": "f", "arguments": "{\"z\": 1, \"a\": 2}"}}]},
      {"role": "tool", "tool_call_id": "1", "content": []}]})");
  REQUIRE(message(row) == "");
  CHECK(row.is_chat);
  CHECK(row.messages ==
        R"([{"role":"system","content":"Be \"short\"."},)"
        R"({"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"},)"
        R"({"type":"text","text":"c"}],"name":"Ann"},)"
        R"({"role":"assistant","content":"","weight":1},)"
        R"({"role":"assistant","tool_calls":[{"id":"1","type":"function","function":)"
        R"({"name":"f","arguments":{"z":1,"a":2}}}],"content":""},)"
        R"({"role":"tool","tool_call_id":"1","content":""}])");
}

TEST_CASE("a conversation has options for its template, in the row's order") {
  const InputRow row = parse(R"({"messages": [{"role": "user", "content": "x"}],
      "tools": [{"z": 1, "a": 2}], "tool_choice": "auto", "documents": [{"title": "t"}],
      "chat_template_kwargs": {"enable_thinking": false}, "continue_final_message": true})");
  REQUIRE(message(row) == "");
  CHECK(row.chat.variables ==
        R"({"tools":[{"z":1,"a":2}],"documents":[{"title":"t"}],"enable_thinking":false})");
  CHECK(row.chat.continue_final_message);
  CHECK(row.extra.empty());
  const auto with = [](const std::string& option) {
    return code(parse(R"({"messages": [{"role": "user", "content": "x"}], )" + option + "}"));
  };
  const InputRow thinking = parse(R"({"messages": [{"role": "user", "content": "x"}],
      "enable_thinking": false, "reasoning_effort": "low"})");
  CHECK(thinking.chat.variables == R"({"enable_thinking":false,"reasoning_effort":"low"})");
  CHECK(thinking.extra.empty());
  CHECK(with(R"("enable_thinking": "no")") == "invalid_parameter");
  CHECK(with(R"("reasoning_effort": 1)") == "invalid_parameter");
  CHECK(with(R"("tools": {})") == "invalid_parameter");
  CHECK(with(R"("documents": ["text"])") == "invalid_parameter");
  CHECK(with(R"("chat_template_kwargs": [])") == "invalid_parameter");
  CHECK(with(R"("tool_choice": "required")") == "unsupported_parameter");
  CHECK(with(R"("continue_final_message": true, "add_generation_prompt": true)") ==
        "invalid_parameter");
}

TEST_CASE("a prompt has no use for a conversation's options, but may have documents") {
  const auto with = [](const std::string& option, bool chat = false) {
    RowDefaults defaults;
    defaults.chat = chat;
    return parse_row(R"({"prompt": "x", )" + option + "}", 7, defaults);
  };
  CHECK(code(with(R"("tools": [{"a": 1}])")) == "unsupported_parameter");
  CHECK(code(with(R"("chat_template_kwargs": {"a": 1})")) == "unsupported_parameter");
  CHECK(code(with(R"("tools": [], "tool_choice": "none", "add_generation_prompt": true)")) == "");
  CHECK(with(R"("documents": "d")").extra == R"(,"documents":"d")");
  CHECK(with(R"("chat_template_kwargs": {"a": 1})", true).chat.variables == R"({"a":1})");
}

TEST_CASE("custom_id with a body alone is an OpenAI line of the kind that the body tells") {
  const InputRow plain = parse(R"({"custom_id": "a", "body": {"prompt": "p"}})");
  REQUIRE(message(plain) == "");
  CHECK(plain.prompt == "p");
  CHECK(plain.id == "\"a\"");
  const InputRow talk =
      parse(R"({"custom_id": "a", "body": {"messages": [{"role": "user", "content": "x"}]}})");
  CHECK(message(talk) == "");
  CHECK(talk.is_chat);
}

TEST_CASE("OpenAI bodies ask for echo and log-probabilities themselves") {
  CHECK(completion({{"prompt", "p"}, {"echo", true}}).echo);
  CHECK(completion({{"prompt", "p"}, {"logprobs", 0}}).logprobs);
  CHECK_FALSE(completion({{"prompt", "p"}, {"logprobs", nullptr}}).logprobs);
  CHECK(completion({{"prompt", "p"}, {"logprobs", 3}}).top_logprobs == 3);
  CHECK(completion({{"prompt", "p"}, {"logprobs", 3}}).logprobs);
  CHECK(completion({{"prompt", "p"}, {"logprobs", 20.0}}).top_logprobs == 20);
  for (const json& bad : {json(21), json(-1), json(2.5), json("5")}) {
    CHECK(code(completion({{"prompt", "p"}, {"logprobs", bad}})) == "invalid_parameter");
  }
  CHECK(code(completion({{"prompt", "p"}, {"logprobs", 0}, {"echo", true}})) ==
        "unsupported_parameter");
  const json hi = json::parse(R"([{"role": "user", "content": "Hi"}])");
  CHECK(chat({{"messages", hi}, {"logprobs", true}, {"top_logprobs", 0}}).logprobs);
  CHECK(chat({{"messages", hi}, {"top_logprobs", 2}, {"logprobs", true}}).top_logprobs == 2);
  CHECK(message(chat({{"messages", hi}, {"top_logprobs", 2}})) ==
        "line 7: top_logprobs: expected logprobs: true beside it");
  CHECK(message(chat({{"messages", hi}, {"logprobs", true}, {"top_logprobs", 21}})) ==
        "line 7: top_logprobs: expected an integer from 0 to 20, got 21");
  CHECK(code(chat({{"messages", hi}, {"logprobs", 2}, {"top_logprobs", 2}})) ==
        "invalid_parameter");
  CHECK(code(chat({{"messages", hi}, {"logprobs", false}, {"top_logprobs", 2}})) ==
        "invalid_parameter");
}

TEST_CASE("peers' names of parameters mean the same") {
  const InputRow row = parse(R"({"prompt": "p", "min_new_tokens": 2, "n_predict": 9,
      "repeat_penalty": 1.5, "stop_sequences": ["x"], "num_return_sequences": 2,
      "random_seed": 5, "return_full_text": true})");
  REQUIRE(message(row) == "");
  CHECK(row.params.min_tokens == 2);
  CHECK(row.params.max_tokens == 9);
  CHECK(row.params.repetition_penalty == 1.5F);
  CHECK(row.stop == std::vector<std::string>{"x"});
  CHECK(row.params.n == 2);
  CHECK(row.params.seed == 5);
  CHECK(row.echo);
  CHECK(row.extra.empty());
  CHECK(parse(R"({"prompt": "p", "stop_strings": "x"})").stop == std::vector<std::string>{"x"});
  CHECK(parse(R"({"prompt": "p", "n_predict": -1})").params.max_tokens ==
        std::numeric_limits<int32_t>::max());
  CHECK(code(parse(R"({"prompt": "p", "stop": "a", "stop_strings": "a"})")) == "invalid_parameter");
}

TEST_CASE("do_sample false is greedy whatever the temperature, and true is not") {
  const auto temperature = [](const std::string& fields, float by_default) {
    RowDefaults defaults;
    defaults.params.temperature = by_default;
    return parse_row("{\"prompt\": \"p\"" + fields + "}", 1, defaults).params.temperature;
  };
  CHECK(temperature(R"(, "do_sample": false)", 0.5F) == 0);
  CHECK(temperature(R"(, "do_sample": false, "temperature": 0.7)", 0.5F) == 0);
  CHECK(temperature(R"(, "temperature": 0.7, "do_sample": true)", 0.5F) == 0.7F);
  CHECK(temperature(R"(, "do_sample": true)", 0.5F) == 0.5F);
  CHECK(temperature(R"(, "do_sample": true)", 0) == 1);
  CHECK(temperature(R"(, "do_sample": null)", 0) == 0);
  CHECK(code(parse(R"({"prompt": "p", "do_sample": "no"})")) == "invalid_parameter");
}

TEST_CASE("peers' parameters that are not there are refused unless they change nothing") {
  for (const char* field :
       {R"("structured_outputs": {"choice": ["a"]})", R"("guided_choice": ["a"])",
        R"("bad_words_ids": [[5]])", R"("allowed_token_ids": [5])",
        R"("skip_special_tokens": false)", R"("add_special_tokens": false)",
        R"("truncate_prompt_tokens": 2)", R"("grammar": "root")", R"("mirostat": 2)",
        R"("typ_p": 0.5)", R"("eos_token_id": 5)", R"("sampling_params": {"n": 1})"}) {
    CAPTURE(field);
    CHECK(code(parse(std::string(R"({"prompt": "p", )") + field + "}")) == "unsupported_parameter");
  }
  CHECK(message(parse(R"({"prompt": "p", "structured_outputs": null, "skip_special_tokens": true,
      "grammar": "", "mirostat": 0, "allowed_token_ids": [], "repeat_last_n": -1,
      "bad_words": [], "num_beams": 1.0, "typical_p": 1.0})")) == "");
}

TEST_CASE("a name that is nearly a parameter's is refused with that one, and others are data") {
  const auto told = [](const std::string& name) {
    return message(parse("{\"prompt\": \"p\", \"" + name + "\": 1}"));
  };
  for (const auto& [name, meant] : std::vector<std::pair<std::string, std::string>>{
           {"temprature", "temperature"},
           {"maxTokens", "max_tokens"},
           {"max_token", "max_tokens"},
           {"top-k", "top_k"},
           {"topP", "top_p"},
           {"repitition_penalty", "repetition_penalty"},
           {"presence_penality", "presence_penalty"},
           {"stop_token_id", "stop_token_ids"},
           {"ignore_eso", "ignore_eos"}}) {
    const std::string reason = told(name);
    CAPTURE(reason);
    CHECK(reason.find(": " + meant + " is probably meant") != std::string::npos);
  }
  for (const std::string name : {"top_5", "N", "Seed", "step", "stops", "n_tokens", "mean_tokens",
                                 "echoes", "answer", "templates", "timestamp"}) {
    CAPTURE(name);
    CHECK(told(name) == "");
  }
  CHECK(message(completion({{"prompt", "p"}, {"temprature", 1}})).find("temperature") !=
        std::string::npos);
  CHECK(message(parse(R"({"max_token": "x"})", with_template("{max_token}"))) == "");
}

TEST_CASE("whole numbers may be written as floats") {
  const InputRow row = parse(R"({"prompt_token_ids": [40.0, 5], "max_tokens": 3.0, "top_k": 5.0,
                                 "seed": 7.0, "n": 2e0, "stop_token_ids": [3.0]})");
  REQUIRE(message(row) == "");
  CHECK(row.prompt_ids == std::vector<int32_t>{40, 5});
  CHECK(row.params.max_tokens == 3);
  CHECK(row.params.top_k == 5);
  CHECK(row.params.seed == 7);
  CHECK(row.params.n == 2);
  CHECK(row.params.stop_token_ids == std::vector<int32_t>{3});
  for (const char* field : {R"("max_tokens": 3.5)", R"("seed": 0.5)", R"("seed": -1.5)",
                            R"("seed": 2e19)", R"("top_k": 3e9)", R"("n": true)"}) {
    CAPTURE(field);
    CHECK(code(parse(std::string(R"({"prompt": "p", )") + field + "}")) == "invalid_parameter");
  }
}

TEST_CASE("fields that have a name of the output's get another one, and none is lost") {
  CHECK(parse(R"({"id": 1, "prompt": "p", "choices": ["a"], "text": "t", "input_text": 2,
                  "error": null})")
            .extra ==
        R"(,"input_choices":["a"],"input_input_text":"t","input_text":2,"input_error":null)");
  RowDefaults openai;
  openai.style = RowStyle::kOpenAi;
  CHECK(parse_row(R"({"prompt": "p", "text": "t", "response": 1})", 1, openai).extra ==
        R"(,"text":"t","input_response":1)");
  RowDefaults scores;
  scores.style = RowStyle::kScore;
  PromptOptions scored;
  scored.scored = true;
  CHECK(parse_row(R"({"prompt": "p", "text": "t", "perplexity": 1})", 1, scores, scored).extra ==
        R"(,"text":"t","input_perplexity":1)");
  CHECK(parse_row(R"({"text": "t"})", 1, scores, scored).extra.empty());
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
  check({{{"role", "user"}, {"content", 5}}}, "invalid_messages", "messages[0].content");
  check({{{"role", "user"}, {"content", {5}}}}, "invalid_messages",
        "messages[0].content[0]: expected an object");
  check({{{"role", "user"},
          {"content", {{{"type", "image_url"}, {"image_url", {{"url", "data:"}}}}}}}},
        "unsupported_messages", "messages[0].content[0].type: expected text, got \"image_url\"");
  check({{{"role", "assistant"}, {"content", "x"}, {"audio", {{"id", "a"}}}}},
        "unsupported_messages", "messages[0].audio is not supported");
  check({{{"role", "assistant"}, {"content", "x"}, {"tool_calls", {1}}}}, "invalid_messages",
        "messages[0].tool_calls[0]: expected an object");
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
  CHECK(row.extra == R"(,"q":"a\nb","count":1.50,"list":[1, {"x": "y"}],"prompt":"p")");
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
  CHECK(row.id == "\"c\"");
}

}  // namespace
}  // namespace eet
