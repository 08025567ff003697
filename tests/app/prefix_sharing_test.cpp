// Jobs whose prompts begin alike give the same output with and without sharing, in shards too, and
// say what they shared.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

const std::string kModel = sample_model("tales-llama");

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all.append(text).append(" ");
  return all;
}

// Three tasks of one instruction, several questions each, and what may differ between rows.
std::vector<json> task_rows() {
  const std::string instruction = repeated("Tell me a tale of a king who had three daughters.", 20);
  const std::vector<std::string> tasks = {
      instruction + repeated("The fox went into the forest and found a well.", 12),
      instruction + repeated("A poor miller had a donkey that could sing.", 5),
      instruction + repeated("There was once a castle by the sea.", 17)};
  std::vector<json> rows;
  for (int i = 0; i < 30; ++i) {
    const std::string& task = tasks[static_cast<size_t>(i) % tasks.size()];
    json row = {{"prompt", task + "Then the " + std::to_string(i) + " "},
                {"max_tokens", 4 + i * 5 % 20}};
    if (i % 5 == 1) row["stop"] = {"e"};
    if (i % 5 == 2) row["temperature"] = 0;
    if (i % 7 == 3) row["n"] = 2;
    if (i % 6 == 4) row["repetition_penalty"] = 1.4;
    if (i % 11 == 9) row["top_p"] = 7;  // a bad row
    rows.push_back(row);
  }
  return rows;
}

std::vector<std::string> flags(const std::string& command, const std::string& input,
                               const std::vector<std::string>& more) {
  std::vector<std::string> all = {command,    "-m",  kModel,           "-i", input,
                                  "--device", "cpu", "--max-num-seqs", "8"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST_CASE("rows that begin alike give the same output with and without sharing, and in shards") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", join_lines(task_rows()));
  const auto generate = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--logprobs", "-q", "--seed", "5"});
    const EetResult result = run_eet(flags("generate", input, more));
    CHECK(result.exit_code == 3);  // bad rows
    return result.out;
  };
  const std::string expected =
      generate({"-o", "-", "--no-prefix-sharing", "--max-num-batched-tokens", "300"});
  CHECK(parse_lines(expected).size() == 30);
  CHECK(generate({"-o", "-"}) == expected);
  CHECK(generate({"-o", "-", "--schedule", "static", "--sort-window", "9"}) == expected);
  CHECK(generate({"-o", "-", "--max-num-batched-tokens", "90"}) == expected);
  std::vector<std::string> merge = {"merge", "-o", "-"};
  for (const char* shard : {"0/2", "1/2"}) {
    const std::string part = dir.file(std::string("part") + shard[0]);
    generate({"-o", part, "--shard", shard});
    merge.push_back(part);
  }
  CHECK(run_eet(merge).out == expected);
}

TEST_CASE("a job, its dry run and its statistics say what prompts share") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", join_lines(task_rows()));
  const auto stats_of = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"-o", "-", "--stats", dir.file("stats.json"), "--seed", "5"};
    all.insert(all.end(), more.begin(), more.end());
    const EetResult result = run_eet(flags("generate", input, all));
    CHECK((result.err.find("of prefill saved") != std::string::npos) == more.empty());
    return json::parse(read_text(dir.file("stats.json")));
  };
  const json shared = stats_of({})["prefix_sharing"];
  const int64_t tokens = shared["shared_tokens"];
  CHECK(tokens > 5000);
  CHECK(shared["shared_tokens_by_level"].size() >= 2);
  CHECK(shared["saved_prefill_seconds"] > 0.0);
  const json apart = stats_of({"--no-prefix-sharing"});
  CHECK(apart["prefix_sharing"]["shared_tokens"] == 0);

  // Samples end where their stop strings say, so that rows may start in other groups.
  const json plan =
      json::parse(run_eet(flags("validate", input, {"--json", "--no-calibrate"})).out);
  CHECK(plan["prefix_sharing"]["shared_tokens_by_level"] == shared["shared_tokens_by_level"]);
  CHECK(plan["prefix_sharing"]["shared_tokens"] == tokens);
  const EetResult dry_run = run_eet(flags("generate", input, {"--dry-run", "-o", "-"}));
  CHECK(dry_run.out.find("shared prefixes: " + std::to_string(tokens)) != std::string::npos);
  CHECK(dry_run.out.find("levels, are not computed again; saves about") != std::string::npos);
}

TEST_CASE("the answers of one question are scored alike with and without sharing it") {
  const TempDirectory dir;
  std::vector<json> rows;
  const std::string examples = repeated("Question: who is in the well? Answer: the frog.", 15);
  for (int question = 0; question < 5; ++question) {
    for (const char* answer : {" the king", " the queen", " a fox", " nobody at all"}) {
      rows.push_back({{"prompt", examples + "Question: who has " + std::to_string(question) +
                                     " horses and a golden ball? Answer:"},
                      {"completion", answer}});
    }
  }
  const std::string input = dir.write("in.jsonl", join_lines(rows));
  const auto score = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"-o", "-", "--logprobs", "-q", "--stats", dir.file("stats")};
    all.insert(all.end(), more.begin(), more.end());
    const EetResult result = run_eet(flags("score", input, all));
    CHECK(result.exit_code == 0);
    return result.out;
  };
  const std::string expected = score({"--no-prefix-sharing"});
  CHECK(score({}) == expected);
  const json stats = json::parse(read_text(dir.file("stats")));
  CHECK(stats["prefix_sharing"]["shared_tokens_by_level"].size() == 2);
}

}  // namespace
}  // namespace eet
