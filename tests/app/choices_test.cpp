// Rows with several choices, and rows that are scored: from the input to the output.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "app/job/input/row_format.h"
#include "app/job/input/row_parser.h"
#include "app/job/output/completion.h"
#include "app/job/text/prompt_encoder.h"
#include "tests/app/byte_tokenizer.h"

namespace eet {
namespace {

using nlohmann::json;

TokenOutput token(int32_t sample, char c, float logprob,
                  FinishReason finish = FinishReason::kNone) {
  TokenOutput output;
  output.sample = sample;
  output.token_id = static_cast<uint8_t>(c);
  output.logprob = logprob;
  output.finish = finish;
  return output;
}

const ByteTokenizer kTokenizer(/*adds_bos=*/false);

TEST_CASE("the tokens of a row's samples go to their own texts") {
  CompletionBuilder builder(parse_row(R"({"prompt_token_ids": [1], "n": 2, "stop": "b",
                                             "logprobs": true})",
                                      1, {}),
                            &kTokenizer);
  CHECK(builder.push(token(0, 'a', -1)));
  CHECK(builder.push(token(1, 'x', -2)));
  CHECK_FALSE(builder.push(token(0, 'b', -1)));  // a stop string, of which the engine knows nothing
  CHECK_FALSE(builder.ended());
  CHECK(builder.push(token(0, 'c', -1)));  // on its way when the sample ended
  CHECK_FALSE(builder.push(token(1, 'y', -2, FinishReason::kLength)));
  REQUIRE(builder.ended());
  const Completion done = builder.take();
  CHECK(done.text == "a");
  CHECK(done.finish == FinishReason::kStop);
  REQUIRE(done.other_choices.size() == 1);
  CHECK(done.other_choices[0].text == "xy");
  CHECK(done.other_choices[0].finish == FinishReason::kLength);
  CHECK(done.completion_tokens == 4);

  const json row = json::parse(format_row(done, {}));
  CHECK(row["text"] == "a");
  CHECK(row["choices"] == json::parse(R"([{"index": 0, "text": "a", "logprobs": [-1.0, -1.0],
                         "finish_reason": "stop"},
                        {"index": 1, "text": "xy", "logprobs": [-2.0, -2.0],
                         "finish_reason": "length"}])"));
  CHECK(row["usage"]["completion_tokens"] == 4);
  const OutputFormat openai{.style = RowStyle::kOpenAi};
  const json choices = json::parse(format_row(done, openai))["response"]["body"]["choices"];
  REQUIRE(choices.size() == 2);
  CHECK(choices[1]["index"] == 1);
  CHECK(choices[1]["text"] == "xy");
  CHECK(choices[1]["logprobs"]["token_logprobs"] == json::parse("[-2.0, -2.0]"));
}

TEST_CASE("best_of keeps the n likeliest by mean log-probability, the first of equals first") {
  CompletionBuilder builder(parse_row(R"({"prompt_token_ids": [1], "n": 3, "best_of": 5})", 1, {}),
                            &kTokenizer);
  builder.push(token(0, 'a', -3, FinishReason::kLength));
  builder.push(token(1, 'b', -2, FinishReason::kLength));
  builder.push(token(2, 'c', -1));
  builder.push(token(2, 'c', -2, FinishReason::kLength));  // likelier, though its sum is smaller
  builder.push(token(3, 'd', -2, FinishReason::kLength));
  builder.push(token(4, 'e', -9, FinishReason::kLength));
  REQUIRE(builder.ended());
  const Completion done = builder.take();
  CHECK(done.text == "cc");
  REQUIRE(done.other_choices.size() == 2);
  CHECK(done.other_choices[0].text == "b");
  CHECK(done.other_choices[1].text == "d");
  CHECK(done.completion_tokens == 6);
}

TEST_CASE("an error of one sample is the row's, which then has no choices") {
  CompletionBuilder builder(parse_row(R"({"prompt_token_ids": [1], "n": 2})", 1, {}), &kTokenizer);
  CHECK(builder.push(token(0, 'a', -1)));
  CHECK_FALSE(builder.push(failed_output(0, 1, {"non_finite_logits", "not finite"})));
  CHECK(builder.ended());
  const json row = json::parse(format_row(builder.take(), {}));
  CHECK(row["error"]["code"] == "non_finite_logits");
  CHECK(row["choices"] == json::array());
  CHECK(row["text"] == "");
}

InputRow scored_row(std::string_view text, bool adds_bos = true) {
  PromptOptions options;
  options.scored = true;
  RowDefaults defaults;
  defaults.style = RowStyle::kScore;
  InputRow row = parse_row(text, 1, defaults, options);
  const ByteTokenizer tokenizer(adds_bos);
  if (!row.error) PromptEncoder(&tokenizer, ModelChat("/nowhere"), 1000).encode(row);
  return row;
}

std::string error_code(const InputRow& row) {
  return row.error ? row.error->code : "";
}

TEST_CASE("a completion is scored from where the prompt's own tokens end") {
  InputRow row = scored_row(R"({"prompt": "ab", "completion": " cd"})");
  CHECK(row.score_from == 3);  // after BOS, a and b
  CHECK(row.prompt_ids.size() == 6);
  row = scored_row(R"({"prompt": "ab \n", "completion": "cd"})");  // white space changes sides
  CHECK(row.score_from == 3);
  CHECK(row.prompt_ids.size() == 7);
  row = scored_row(R"({"prompt": "", "completion": "cd"})");
  CHECK(row.score_from == 1);
  CHECK(scored_row(R"({"text": "abc"})").score_from == 1);
  CHECK(scored_row(R"({"text": "abc"})").prompt_ids.size() == 4);
  CHECK(scored_row(R"({"prompt": "abc"})").prompt_ids ==
        scored_row(R"({"text": "abc"})").prompt_ids);
  row = scored_row(R"({"prompt_token_ids": [5, 6], "completion_token_ids": [7]})");
  CHECK(row.prompt_ids == std::vector<int32_t>{5, 6, 7});
  CHECK(row.score_from == 2);
  CHECK(scored_row(R"({"prompt_token_ids": [5, 6]})").score_from == 1);
  CHECK(scored_row(R"({"prompt_token_ids": [5, 6], "completion_token_ids": []})").score_from == 2);
}

TEST_CASE("rows that cannot be scored are refused by name") {
  CHECK(error_code(scored_row(R"({"completion": "x"})")) == "missing_prompt");
  CHECK(error_code(scored_row(R"({"prompt": "a", "completion": 5})")) == "invalid_completion");
  CHECK(error_code(scored_row(R"({"prompt": "a", "completion_token_ids": [1]})")) ==
        "invalid_completion");
  CHECK(error_code(scored_row(R"({"prompt_token_ids": [1], "completion": "a"})")) ==
        "invalid_completion");
  CHECK(error_code(scored_row(R"({"prompt_token_ids": [1], "completion_token_ids": [0.5]})")) ==
        "invalid_completion");
  CHECK(error_code(scored_row(R"({"text": ""})", /*adds_bos=*/false)) == "empty_prompt");
}

TEST_CASE("fields of the input pass through a score") {
  const InputRow row =
      scored_row(R"({"prompt": "a", "completion": "b", "label": 1, "perplexity": 3, "text": "t"})");
  CHECK(row.extra == R"(,"label":1,"input_perplexity":3,"text":"t")");
}

TEST_CASE("a score is the sum over the completion, with perplexity and greedy or not") {
  CompletionBuilder builder(scored_row(R"({"prompt": "a", "completion": "bc", "logprobs": true})"),
                            &kTokenizer);
  TokenOutput first = token(0, 'b', -1.0F);
  first.is_argmax = true;
  TokenOutput last = token(0, 'c', -2.5F, FinishReason::kStop);
  CHECK(builder.push(first));
  CHECK_FALSE(builder.push(last));
  const Completion done = builder.take();
  const json row = json::parse(format_row(done, {.token_ids = true, .style = RowStyle::kScore}));
  CHECK(row["log_likelihood"] == -3.5);
  CHECK(row["perplexity"].get<double>() == doctest::Approx(std::exp(1.75)));
  CHECK(row["is_greedy"] == false);
  CHECK(row["token_ids"] == json::parse("[98, 99]"));
  CHECK(row["logprobs"] == json::parse("[-1.0, -2.5]"));
  CHECK(row["usage"] ==
        json::parse(R"({"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4})"));
  CHECK(row["error"].is_null());
  CHECK_FALSE(row.contains("text"));
}

}  // namespace
}  // namespace eet
