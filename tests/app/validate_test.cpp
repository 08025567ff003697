// `eet validate` and `eet generate --dry-run`: what they say of an input.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

const std::string kModel = sample_model("tales-llama");

EetResult validate(const std::string& input, std::vector<std::string> flags = {},
                   const std::string& model = kModel) {
  flags.insert(flags.begin(), {"validate", "-m", model, "-i", input, "--device", "cpu"});
  return run_eet(flags);
}

// What `eet validate` expects of a job under these flags, and the job's own statistics.
struct Course {
  json expected;
  json stats;
};
Course course_of(const TempDirectory& dir, const std::string& input, const std::string& model,
                 std::vector<std::string> flags) {
  flags.insert(flags.begin(), "--ignore-eos");
  std::vector<std::string> job = {
      "generate",        "-q",         "-m", model,           "-i",           input,
      "--device",        "cpu",        "-o", dir.file("out"), "--no-journal", "--stats",
      dir.file("stats"), "--overwrite"};
  job.insert(job.end(), flags.begin(), flags.end());
  CHECK(run_eet(job).exit_code == 0);
  flags.insert(flags.end(), {"--json", "--no-calibrate"});
  return {json::parse(validate(input, flags, model).out),
          json::parse(read_text(dir.file("stats")))};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a survey counts good and bad rows, lengths, duplicate ids and padding") {
  const TempDirectory dir;
  const std::string input =
      dir.write("in.jsonl", R"({"id": "a", "prompt_token_ids": [1, 2, 3]})"
                            "\n"
                            R"({"id": "a", "prompt_token_ids": [1, 2, 3, 4, 5]})"
                            "\nbad\n"
                            R"({"id": 4, "prompt_token_ids": [1], "max_tokens": 3})"
                            "\n"
                            R"({"prompt_token_ids": [99999]})"
                            "\n");
  const EetResult result = validate(input, {"--json", "--max-tokens", "10", "--no-calibrate"});
  CAPTURE(result.err);
  CHECK(result.exit_code == 3);
  const json report = json::parse(result.out);
  CHECK(report["rows"] == 5);
  CHECK(report["good_rows"] == 3);
  CHECK(report["bad_rows"] == 2);
  CHECK(report["error_codes"] == json{{"invalid_json", 1}, {"token_out_of_range", 1}});
  CHECK(report["first_bad_rows"][0]["line"] == 3);
  CHECK(report["first_bad_rows"][1]["line"] == 5);
  CHECK(report["duplicate_ids"] == 1);
  CHECK(report["first_duplicate_ids"][0]["line"] == 2);
  CHECK(report["prompt_tokens"]["total"] == 9);
  CHECK(report["prompt_tokens"]["max"] == 5);
  CHECK(report["prompt_tokens"]["p50"] == 3);
  CHECK(report["prompt_tokens"]["histogram"] ==
        json::parse(R"([{"first":1,"last":1,"rows":1},{"first":2,"last":3,"rows":1},
                        {"first":4,"last":5,"rows":1}])"));
  CHECK(report["max_output_tokens"] == 23);
  CHECK(report["batches"] == 1);
  CHECK(report["padding"]["computed"] == 0);
  CHECK(report["padding"]["padded_would_compute"] == 6);
  CHECK(report["padding"]["min_length_replay_steps"] == 4);
  CHECK(report["padding"]["serial_replay_steps"] == 5);
  CHECK(report["memory_plan"].size() > 3);
  CHECK_FALSE(report.contains("expected"));
}

TEST_CASE("a dry run says in words what validate says, and writes no output") {
  const TempDirectory dir;
  std::string text;
  for (int i = 0; i < 30; ++i) text += "bad\n";
  const std::string input = dir.write("in.jsonl", text + "{\"prompt\": \"Once upon a time\"}\n");
  const EetResult result = run_eet({"generate", "--dry-run", "-m", kModel, "-i", input, "-o",
                                    dir.file("out"), "--device", "cpu"});
  CHECK(result.exit_code == 3);
  CHECK(contains(result.out, "31 rows, 1 good, 30 bad"));
  CHECK(contains(result.out, "\n  line 20: "));
  CHECK_FALSE(contains(result.out, "\n  line 21: "));
  CHECK(contains(result.out, "and 10 more"));
  CHECK(contains(result.out, "memory plan:"));
  CHECK(contains(result.out, "expected: about "));
  CHECK_FALSE(std::filesystem::exists(dir.file("out")));
  CHECK(contains(validate(input, {"--max-listed", "1"}).out, "and 29 more"));
}

TEST_CASE("a good input gives exit code 0, and calibrating gives a time") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", "{\"prompt\": \"Once upon a time\"}\n");
  const EetResult result =
      validate(input, {"--json", "--max-num-seqs", "2", "--max-model-len", "64"});
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
  const json report = json::parse(result.out);
  CHECK(report["expected"]["seconds_after_loading"] > 0.0);
  CHECK(report["expected"]["output_tokens"] > 0);
  CHECK(report["max_output_tokens"].get<int>() < 64);
}

TEST_CASE("rows that cannot fit the cache, the model or the vocabulary are found without a run") {
  const TempDirectory dir;
  const std::string input = dir.write(
      "in.jsonl", "{\"prompt_token_ids\": " + json(std::vector<int>(100, 5)).dump() + "}\n");
  const EetResult result = validate(input, {"--json", "--max-model-len", "32"});
  CHECK(result.exit_code == 3);
  CHECK(json::parse(result.out)["error_codes"] == json{{"prompt_too_long", 1}});
}

TEST_CASE("the batches, pads and passes are those of the job, under every schedule and policy") {
  const TempDirectory dir;
  std::string text;
  for (int i = 0; i < 60; ++i) {
    const json ids = std::vector<int>(static_cast<size_t>(1 + i * 37 % 50), 5);
    text += json{{"prompt_token_ids", ids}, {"max_tokens", 1 + i * 11 % 12}}.dump() + "\n";
  }
  const std::string input = dir.write("in.jsonl", text);
  const std::vector<std::vector<std::string>> cases = {
      {},
      {"--n", "3"},
      {"--sort-window", "5"},
      {"--max-num-batched-tokens", "64"},
      {"--schedule", "static"},
      {"--prompt-policy", "padded"},
      {"--prompt-policy", "min-length"},
      {"--prompt-policy", "serial", "--schedule", "static"},
  };
  for (const std::vector<std::string>& flags : cases) {
    CAPTURE(json(flags).dump());
    std::vector<std::string> all = {"--max-num-seqs", "8"};
    all.insert(all.end(), flags.begin(), flags.end());
    const auto [report, stats] = course_of(dir, input, kModel, all);
    for (const char* count : {"batches", "prefill_passes", "decode_steps"}) {
      CAPTURE(count);
      CHECK(report[count] == stats[count]);
    }
    CHECK(report["padding"]["padded_would_compute"] == stats["padding"]["padded_would_compute"]);
    if (flags.empty() || flags[0] != "--prompt-policy" || flags[1] == "padded") {
      CHECK(report["padding"]["computed"] == stats["padding"]["computed"]);
    }
  }
}

TEST_CASE("rows that leave longrope's original context count as what is fed again") {
  const TempDirectory dir;
  std::string text;
  for (int i = 0; i < 30; ++i) {  // the context is 128 tokens: two rows in three leave it
    const json ids = std::vector<int>(static_cast<size_t>(60 + i * 37 % 90), 5);
    text += json{{"prompt_token_ids", ids}, {"max_tokens", 20 + i * 11 % 60}}.dump() + "\n";
  }
  const auto [report, stats] =
      course_of(dir, dir.write("in.jsonl", text),
                EET_SOURCE_DIR "/tests/golden/models/phi3-longrope", {"--max-num-seqs", "8"});
  for (const char* count : {"batches", "prefill_passes", "decode_steps"}) {
    CAPTURE(count);
    CHECK(report[count] == stats[count]);
  }
}

}  // namespace
}  // namespace eet
