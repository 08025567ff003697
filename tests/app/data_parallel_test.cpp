// `--data-parallel-size`, with several engines on the CPU.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

std::vector<std::string> job(const TempDirectory& dir, const std::string& output,
                             const std::string& size) {
  return {"generate",
          "-m",
          sample_model("tales-llama"),
          "-i",
          dir.file("in.jsonl"),
          "-o",
          output,
          "--device",
          "cpu",
          "--data-parallel-size",
          size,
          "--max-tokens",
          "12",
          "--temperature",
          "0.8",
          "--logprobs",
          "--output-token-ids",
          "--overwrite",
          "--quiet"};
}

void write_rows(const TempDirectory& dir) {
  std::vector<json> rows;
  rows.reserve(60);
  for (int row = 0; row < 60; ++row) {
    rows.push_back({{"prompt", "Once upon a time" + std::string(static_cast<size_t>(row), '!')},
                    {"n", row % 7 == 3 ? 3 : 1}});
  }
  dir.write("in.jsonl", join_lines(rows));
}

TEST_CASE("several engines write the bytes that one writes, and the statistics tell of each") {
  const TempDirectory dir;
  write_rows(dir);
  const std::string one = dir.file("one.jsonl");
  const std::string three = dir.file("three.jsonl");
  REQUIRE(run_eet(job(dir, one, "1")).exit_code == 0);
  std::vector<std::string> args = job(dir, three, "3");
  args.insert(args.end(), {"--stats", dir.file("stats.json"), "--max-num-seqs", "4"});
  const EetResult result = run_eet(args);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(read_text(one) == read_text(three));

  const json stats = json::parse(read_text(dir.file("stats.json")));
  REQUIRE(stats["devices"].size() == 3);
  int64_t tokens = 0;
  int64_t bytes = 0;
  for (const json& device : stats["devices"]) {
    CHECK(device["output_tokens"] > 0);
    CHECK(device["failure"].is_null());
    tokens += device["output_tokens"].get<int64_t>();
    bytes += device["plan"][0]["bytes"].get<int64_t>();
  }
  CHECK(tokens >= stats["output_tokens"]);
  CHECK(stats["memory"]["plan"][0]["bytes"] == bytes);
  CHECK(stats["device"].get<std::string>().starts_with("3 x CPU"));
}

TEST_CASE("a dry run tells what several devices will do") {
  const TempDirectory dir;
  write_rows(dir);
  const EetResult result =
      run_eet({"validate", "-m", sample_model("tales-llama"), "-i", dir.file("in.jsonl"),
               "--device", "cpu", "--data-parallel-size", "2", "--max-tokens", "12", "--json"});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  const json report = json::parse(result.out);
  CHECK(report["num_devices"] == 2);
  CHECK(report["expected"]["seconds_after_loading"] > 0);
}

TEST_CASE("sizes that cannot be are refused") {
  const TempDirectory dir;
  write_rows(dir);
  for (const std::string size : {"0", "65", "-1", "many", "1.5"}) {
    const EetResult result = run_eet(job(dir, dir.file("out"), size));
    CHECK(result.exit_code == 2);
    CHECK(result.err.find("--data-parallel-size") != std::string::npos);
  }
  std::vector<std::string> args = job(dir, dir.file("out"), "2");
  std::replace(args.begin(), args.end(), std::string("cpu"), std::string("cuda:0"));
  CHECK(run_eet(args).exit_code == 1);
}

}  // namespace
}  // namespace eet
