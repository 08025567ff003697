// Rows that ask for too much: each has its error, and its neighbours do not notice.
#include <doctest/doctest.h>

#include "tests/hostile/small_job.h"

namespace eet {
namespace {

using nlohmann::json;

// The error codes of a job's rows, "" where a row is good.
std::vector<std::string> codes_of(const SmallJob& job, const std::vector<json>& rows,
                                  const std::vector<std::string>& flags = {}) {
  job.dir.write("in.jsonl", join_lines(rows));
  std::vector<std::string> all = {"--max-tokens", "2", "--overwrite"};
  all.insert(all.end(), flags.begin(), flags.end());
  const EetResult result = job.run(all);
  CAPTURE(result.err);
  CHECK(result.exit_code == 3);
  std::vector<std::string> codes;
  for (const json& row : parse_lines(read_text(job.output))) {
    codes.push_back(row["error"].is_null() ? "" : row["error"]["code"].get<std::string>());
  }
  return codes;
}

const json kGood = {{"prompt", "Once"}};

TEST_CASE("stop strings are limited in number and length") {
  const SmallJob job;
  json many = kGood;
  for (int i = 0; i < 100'000; ++i) many["stop"].push_back("x" + std::to_string(i));
  json longest = kGood;
  longest["stop"] = std::string(size_t{1} << 20, 'a');
  CHECK(codes_of(job, {kGood, many, longest, kGood}) ==
        std::vector<std::string>{"", "invalid_parameter", "invalid_parameter", ""});
}

TEST_CASE("a row whose output would not fit in memory or journal has an error") {
  const SmallJob job;
  const json row = {{"prompt", std::string(100, '\x01')}, {"n", 64}};
  json huge = kGood;
  huge["prompt"] = std::string(size_t{8} << 20, 'a');
  CHECK(codes_of(job, {kGood, huge, row, kGood}, {"--max-num-seqs", "64", "--echo"}) ==
        std::vector<std::string>{"", "prompt_too_long", "", ""});
}

TEST_CASE("a prompt that cannot fit is refused by its length, before it is tokenized") {
  const SmallJob job;
  json text = kGood;
  text["prompt"] = std::string(size_t{48} << 20, 'x');
  CHECK(codes_of(job, {kGood, text, kGood}) == std::vector<std::string>{"", "prompt_too_long", ""});
}

TEST_CASE("a row of millions of small values has an error instead of gigabytes") {
  const SmallJob job;
  std::string objects = "[";
  for (int i = 0; i < 8'000'000; ++i) objects += "{},";
  objects.back() = ']';
  job.dir.write("in.jsonl",
                kGood.dump() + "\n{\"messages\":" + objects + "}\n" + kGood.dump() + "\n");
  const EetResult result = run_eet([&] {
    std::vector<std::string> args = job.args({"--max-tokens", "2"});
    return args;
  }());
  CHECK(result.exit_code == 3);
  const std::vector<json> rows = parse_lines(read_text(job.output));
  REQUIRE(rows.size() == 3);
  CHECK(rows[1]["error"]["code"] == "invalid_json");
}

TEST_CASE("an input of one line without an end is refused, in every format") {
  SmallJob job;
  job.input = "/dev/zero";
  for (const char* format : {"jsonl", "text", "csv"}) {
    const EetResult result = job.run({"--input-format", format});
    CAPTURE(result.err);
    CHECK(result.exit_code == 1);
    CHECK(says(result, "/dev/zero: line 1: expected its end within 4096 MiB"));
  }
}

}  // namespace
}  // namespace eet
