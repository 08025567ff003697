// The likeliest tokens in the place of each new one, from the command line.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

std::vector<json> generate(const std::string& model, const std::vector<json>& rows,
                           const std::vector<std::string>& flags) {
  const TempDirectory dir;
  std::vector<std::string> args = {"generate",
                                   "-q",
                                   "-m",
                                   sample_model(model),
                                   "-i",
                                   dir.write("in.jsonl", join_lines(rows)),
                                   "--device",
                                   "cpu",
                                   "--temperature",
                                   "0",
                                   "--max-tokens",
                                   "4"};
  args.insert(args.end(), flags.begin(), flags.end());
  const EetResult result = run_eet(args);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  return parse_lines(result.out);
}

TEST_CASE("the likeliest tokens are the reference's") {
  const json goldens =
      json::parse(read_text(EET_SOURCE_DIR "/tests/app/top_logprobs_goldens.json"));
  for (const char* model : {"tales-llama", "tales-gpt2"}) {
    CAPTURE(model);
    std::vector<json> prompts;
    std::vector<json> expected;
    for (const json& golden : goldens) {
      if (golden["model"] != model) continue;
      prompts.push_back({{"prompt_token_ids", golden["prompt_token_ids"]}});
      expected.push_back(golden["top"]);
    }
    const std::vector<json> rows =
        generate(model, prompts, {"--top-logprobs", "20", "--output-token-ids"});
    REQUIRE(rows.size() == expected.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      REQUIRE(rows[i]["top_logprobs"].size() == expected[i].size());
      for (size_t t = 0; t < expected[i].size(); ++t) {
        const json& top = rows[i]["top_logprobs"][t];
        CHECK(top[0]["token_id"] == rows[i]["token_ids"][t]);
        CHECK(top[0]["logprob"] == rows[i]["logprobs"][t]);
        REQUIRE(top.size() == expected[i][t].size());
        for (size_t j = 0; j < top.size(); ++j) {
          CHECK(top[j]["token_id"] == expected[i][t][j][0]);
          const double logprob = expected[i][t][j][1];
          CHECK(std::abs(top[j]["logprob"].get<double>() - logprob) < 5e-5);
        }
      }
    }
  }
}

TEST_CASE("OpenAI bodies get their alternatives by the published names, for every choice") {
  const TempDirectory dir;
  const std::string chat_template =
      dir.write("chat.jinja", "{% for message in messages %}{{ message.content }}{% endfor %}");
  const std::vector<json> rows =
      generate("tales-llama",
               {{{"custom_id", "a"}, {"body", {{"prompt", "Once"}, {"logprobs", 3}, {"n", 2}}}},
                {{"custom_id", "b"},
                 {"body",
                  {{"messages", {{{"role", "user"}, {"content", "Once"}}}},
                   {"logprobs", true},
                   {"top_logprobs", 2}}}},
                {{"custom_id", "c"}, {"body", {{"prompt", "Once"}, {"logprobs", 0}}}}},
               {"--output-format", "openai", "--chat-template", chat_template});
  for (const json& choice : rows[0]["response"]["body"]["choices"]) {
    REQUIRE(choice["logprobs"]["top_logprobs"].size() == choice["logprobs"]["tokens"].size());
    for (size_t i = 0; i < choice["logprobs"]["tokens"].size(); ++i) {
      const json& top = choice["logprobs"]["top_logprobs"][i];
      CHECK(top.size() == 3);
      CHECK(top[choice["logprobs"]["tokens"][i].get<std::string>()] ==
            choice["logprobs"]["token_logprobs"][i]);
    }
  }
  for (const json& token : rows[1]["response"]["body"]["choices"][0]["logprobs"]["content"]) {
    REQUIRE(token["top_logprobs"].size() == 2);
    CHECK(token["top_logprobs"][0]["token"] == token["token"]);
    CHECK(token["top_logprobs"][0]["bytes"] == token["bytes"]);
    CHECK(token["top_logprobs"][0]["logprob"] == token["logprob"]);
  }
  CHECK(rows[2]["response"]["body"]["choices"][0]["logprobs"]["top_logprobs"].is_null());
}

TEST_CASE("scores have no alternatives, and say so") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", R"({"text": "Once", "logprobs": 2})");
  const EetResult result =
      run_eet({"score", "-q", "-m", sample_model("tales-llama"), "-i", input, "--device", "cpu"});
  CHECK(result.exit_code == 3);
  CHECK(parse_lines(result.out).at(0)["error"]["code"] == "unsupported_parameter");
}

}  // namespace
}  // namespace eet
