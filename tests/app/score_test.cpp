// `eet score` as a user runs it. The log-likelihoods that it should give are the reference
// implementation's (tests/golden/make_score_goldens.py).
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

struct Goldens {
  std::vector<json> rows;  // of the input
  std::vector<json> expected;
};

// The texts of one model.
Goldens goldens_of(const std::string& model) {
  Goldens goldens;
  for (const json& golden : parse_lines(read_text(EET_SOURCE_DIR "/tests/golden/scores.jsonl"))) {
    const std::string place = golden["model"];
    if (!place.ends_with("/models/" + model)) continue;
    json row = {{"tag", goldens.rows.size()}};
    for (const char* field : {"prompt", "completion", "text"}) {
      if (golden.contains(field)) row[field] = golden[field];
    }
    goldens.rows.push_back(row);
    goldens.expected.push_back(golden);
  }
  REQUIRE(goldens.rows.size() >= 5);
  return goldens;
}

}  // namespace

TEST_CASE("score gives the reference's log-likelihoods of texts within 1e-3") {
  const TempDirectory dir;
  for (const char* model : {"tales-llama", "tales-gpt2"}) {
    CAPTURE(model);
    const Goldens goldens = goldens_of(model);
    const std::string input = dir.write("rows.jsonl", join_lines(goldens.rows));
    const std::string stats = dir.file("stats.json");
    const EetResult result =
        run_eet({"score", "-m", sample_model(model), "-i", input, "-o", "-", "--stats", stats,
                 "--device", "cpu", "--logprobs", "--output-token-ids", "-q"});
    CHECK(result.exit_code == 0);
    const std::vector<json> rows = parse_lines(result.out);
    REQUIRE(rows.size() == goldens.rows.size());
    size_t num_scored = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      CAPTURE(i);
      const json& golden = goldens.expected[i];
      const std::vector<double> logprobs = golden["logprobs"];
      const auto count = static_cast<double>(logprobs.size());
      num_scored += logprobs.size();
      const double sum = std::accumulate(logprobs.begin(), logprobs.end(), 0.0);
      CHECK(std::abs(rows[i]["log_likelihood"].get<double>() - sum) < 1e-3);
      CHECK(rows[i]["perplexity"].get<double>() ==
            doctest::Approx(std::exp(-sum / count)).epsilon(1e-3));
      const auto score_from = golden["score_from"].get<std::ptrdiff_t>();
      const std::vector<int32_t> ids = golden["token_ids"];
      CHECK(rows[i]["token_ids"] == std::vector<int32_t>(ids.begin() + score_from, ids.end()));
      CHECK(rows[i]["usage"]["prompt_tokens"] == score_from);
      CHECK(rows[i]["logprobs"].size() == logprobs.size());
      CHECK(rows[i]["tag"] == i);
    }
    CHECK(json::parse(read_text(stats))["scored_tokens"] == num_scored);
  }
}

TEST_CASE("scores are the same whatever runs beside them, resumed, and of shards together") {
  const TempDirectory dir;
  std::vector<json> input_rows = goldens_of("tales-llama").rows;
  input_rows.push_back({{"prompt", 5}});
  const std::string input = dir.write("rows.jsonl", join_lines(input_rows));
  const auto score = [&](const std::string& output, const std::vector<std::string>& more) {
    std::vector<std::string> args = {
        "score", "-m",        sample_model("tales-llama"), "-i", input, "-o", output, "--device",
        "cpu",   "--logprobs"};
    args.insert(args.end(), more.begin(), more.end());
    return run_eet(args);
  };
  const std::string whole = dir.file("whole.jsonl");
  CHECK(score(whole, {"--keep-journal", "-q"}).exit_code == 3);
  const std::string expected = read_text(whole);
  CHECK(parse_lines(expected).back()["error"]["code"] == "invalid_prompt");
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--max-num-seqs", "1", "--max-num-batched-tokens", "40"},
        std::vector<std::string>{"--prompt-policy", "padded", "--schedule", "static"}}) {
    CHECK(score("-", more).out == expected);
  }
  CHECK(score(whole, {"--resume"}).exit_code == 3);
  CHECK(read_text(whole) == expected);
}

TEST_CASE("score reads plain text and tables, and refuses what would change a score") {
  const TempDirectory dir;
  const std::string model = sample_model("tales-llama");
  const auto score = [&](std::vector<std::string> args) {
    args.insert(args.begin(), {"score", "-m", model, "--device", "cpu", "-q", "-o", "-"});
    return run_eet(args);
  };
  const std::string text = dir.write("texts.txt", "Once upon a time\nThere was a king\n");
  const std::vector<json> of_text = parse_lines(score({"-i", text}).out);
  REQUIRE(of_text.size() == 2);
  CHECK(of_text[0]["usage"]["prompt_tokens"] == 1);  // BOS
  const std::string table =
      dir.write("table.csv", "prompt,completion\n\"Once upon\",\" a time\"\n\"\",x\n");
  const std::vector<json> of_table = parse_lines(score({"-i", table}).out);
  REQUIRE(of_table.size() == 2);
  CHECK(of_table[0]["log_likelihood"].get<double>() > of_text[0]["log_likelihood"].get<double>());
  CHECK(of_table[1]["error"].is_null());
  CHECK(score({"-i", text, "--on-long", "truncate-left"}).exit_code == 2);
  CHECK(score({"-i", text, "--prompt-policy", "serial"}).exit_code == 2);
}

}  // namespace eet
