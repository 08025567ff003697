// Jobs whose rows come from several inputs, which are read as one.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "app/job/input/request_reader.h"
#include "tests/app/run_eet.h"

namespace eet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kModel = sample_model("tales-llama");

// One row as "index|id|prompt or error".
std::string shown(const InputRow& row) {
  return concat(row.row, "|", row.id, "|",
                row.error ? row.error->message : row.prompt.value_or(""));
}

std::vector<std::string> rows_of(const std::vector<std::string>& inputs,
                                 InputOptions options = {}) {
  RequestReader reader(inputs, {}, std::move(options));
  std::vector<std::string> rows;
  while (const std::optional<InputRow> row = reader.next()) rows.push_back(shown(*row));
  CHECK_FALSE(reader.next());
  return rows;
}

TEST_CASE("rows and the numbers that are ids are counted through all inputs, each in its format") {
  const TempDirectory dir;
  const std::string lines = dir.write("a.jsonl", "{\"prompt\":\"a\"}\n\n{\"prompt\":\"b\"}");
  const std::string empty = dir.write("empty.jsonl", "");
  const std::string array = dir.write("b.json", "[{\"prompt\":\"c\"}, {\"prompt\":\"d\"}]");
  const std::string table = dir.write("c.csv", "prompt,id\n\"e\ne\",\nf,own\n");
  const std::string text = dir.write("d.txt", "g\n");
  using Rows = std::vector<std::string>;
  CHECK(rows_of({lines, empty, array, table, text}) ==
        Rows{"0|1|a", "1|3|b", "2|4|c", "3|5|d", "4|7|e\ne", "5|\"own\"|f", "6|10|g"});
  CHECK(rows_of({text, lines}) == Rows{"0|1|g", "1|2|a", "2|4|b"});

  InputOptions shard;
  shard.shard = {1, 3};
  CHECK(rows_of({lines, empty, array, table, text}, shard) == Rows{"1|3|b", "4|7|e\ne"});
  InputOptions limit;
  limit.limit = 3;
  CHECK(rows_of({lines, empty, array}, limit) == Rows{"0|1|a", "1|3|b", "2|4|c"});
  CHECK(rows_of({empty, dir.write("blank.jsonl", "\n\n")}).empty());
}

TEST_CASE("several inputs of lines give the rows that one input of all their lines gives") {
  const TempDirectory dir;
  const std::string a = "{\"prompt\":\"a\"}\n\n{\"prompt\":\"b\"}\n";
  const std::string b = "{\"prompt\":\"c\"}\n{\"prompt\":\"d\",\"id\":7}\n";
  CHECK(rows_of({dir.write("a", a), dir.write("b", b), dir.write("c", a)}) ==
        rows_of({dir.write("all", a + b + a)}));
}

TEST_CASE("messages name the file and its line where there are several files") {
  const TempDirectory dir;
  const std::string good = dir.write("good.jsonl", "{\"prompt\":\"a\"}\n");
  const std::string bad = dir.write("bad.jsonl", "{\"prompt\":\"a\"}\n{\"prompt\":7}\n");
  CHECK(rows_of({good, bad}).at(2) ==
        "2|3|" + bad + ": line 2: prompt: expected a string or a list of token ids, got 7");
  CHECK(rows_of({bad}).at(1) ==
        "1|2|line 2: prompt: expected a string or a list of token ids, got 7");
}

TEST_CASE("what cannot be read, or is named twice, is refused before any row is read") {
  const TempDirectory dir;
  const std::string good = dir.write("good.jsonl", "{\"prompt\":\"a\"}\n");
  const std::string table = dir.write("bad.csv", "id,text\n1,a\n");
  fs::create_hard_link(good, dir.file("hard.jsonl"));
  fs::create_symlink(good, dir.file("soft.jsonl"));
  const auto open = [](const std::vector<std::string>& inputs) {
    RequestReader reader(inputs, {});
  };
  CHECK_THROWS_WITH_AS(open({good, dir.file("none")}), doctest::Contains("cannot open the input"),
                       Error);
  CHECK_THROWS_WITH_AS(open({good, dir.file("")}), doctest::Contains("got a directory"), Error);
  CHECK_THROWS_WITH_AS(open({good, table}), doctest::Contains("expected a column \"prompt\""),
                       Error);
  for (const char* name : {"good.jsonl", "./good.jsonl", "hard.jsonl", "soft.jsonl"}) {
    CHECK_THROWS_WITH_AS(open({good, dir.file(name)}), doctest::Contains("give each input once"),
                         Error);
  }
  CHECK_THROWS_WITH_AS(open({"-", "-"}), doctest::Contains("give each input once"), Error);
}

TEST_CASE("there may be more inputs than a process can hold open") {
  const TempDirectory dir;
  std::vector<std::string> inputs;
  inputs.reserve(100);
  for (int i = 0; i < 100; ++i) {
    inputs.push_back(dir.write(std::to_string(i) + ".jsonl", "{\"prompt\":\"a\"}\n"));
  }
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 32;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  const size_t rows = rows_of(inputs).size();
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(rows == 100);
}

TEST_CASE("a cancelled job opens no further input") {
  const TempDirectory dir;
  RequestReader reader(
      {dir.write("a", "{\"prompt\":\"a\"}\n"), dir.write("b", "{\"prompt\":\"b\"}\n")}, {});
  CHECK(reader.total_bytes() == 30);
  CHECK(reader.next());
  reader.cancel();
  CHECK_FALSE(reader.next());
}

TEST_CASE("an array that a cancelled job has not read to its end is no broken file") {
  const TempDirectory dir;
  std::string array = "[{\"prompt\":\"a\"}";
  for (int i = 0; i < 20'000; ++i) array += ",\n{\"prompt\":\"a\"}";
  RequestReader reader({dir.write("a.json", array + "]")}, {});
  CHECK(reader.next());
  reader.cancel();
  int rows = 0;
  while (reader.next()) ++rows;
  CHECK(rows < 20'000);
}

// A job of three inputs, and of one that has all their lines.
struct ThreeInputs {
  TempDirectory dir;
  std::vector<std::string> inputs = {
      dir.write("a.jsonl", "{\"prompt\": \"Once\"}\n{\"prompt\": \"There\"}\n"),
      dir.write("b.jsonl", "{\"prompt\": \"A\", \"temperature\": 1}\n"),
      dir.write("c.jsonl",
                "{\"prompt\": \"The king\", \"temperature\": 1}\n{\"prompt\": \"He\"}\n")};
  std::string all =
      dir.write("all.jsonl", read_text(inputs[0]) + read_text(inputs[1]) + read_text(inputs[2]));

  std::vector<std::string> flags(const std::string& output) const {
    return {"generate",     "-q", "-m", kModel,    "-o",      output,    "--device", "cpu",
            "--max-tokens", "4",  "-i", inputs[0], inputs[1], "--input", inputs[2]};
  }
  EetResult generate(const std::string& output, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args = flags(output);
    args.insert(args.end(), more.begin(), more.end());
    return run_eet(args);
  }
};

TEST_CASE("a job of several inputs writes what one of all their lines writes, in shards too") {
  const ThreeInputs job;
  const std::string whole = job.dir.file("whole.jsonl");
  REQUIRE(run_eet({"generate", "-q", "-m", kModel, "-o", whole, "--device", "cpu", "--max-tokens",
                   "4", "-i", job.all})
              .exit_code == 0);
  const std::string out = job.dir.file("out.jsonl");
  REQUIRE(job.generate(out).exit_code == 0);
  CHECK(read_text(out) == read_text(whole));

  std::vector<std::string> merge = {"merge", "-o", job.dir.file("merged.jsonl")};
  for (const char* shard : {"0/2", "1/2"}) {
    merge.push_back(job.dir.file(std::string("part") + shard[0]));
    REQUIRE(job.generate(merge.back(), {"--shard", shard}).exit_code == 0);
  }
  REQUIRE(run_eet(merge).exit_code == 0);
  CHECK(read_text(merge[2]) == read_text(whole));

  // Of the same rows in the other order, a shard belongs to another job.
  std::vector<std::string> swapped = job.flags(merge[4]);
  std::swap(swapped[11], swapped[12]);
  swapped.insert(swapped.end(), {"--shard", "1/2", "--overwrite"});
  REQUIRE(run_eet(swapped).exit_code == 0);
  merge[2] = "-";
  const EetResult refused = run_eet(merge);
  CHECK(refused.exit_code == 1);
  CHECK(refused.err.find("expected shards of one input") != std::string::npos);
}

TEST_CASE("a job of several inputs is resumed, and a complete one is known") {
  const ThreeInputs job;
  const std::string out = job.dir.file("out.jsonl");
  REQUIRE(job.generate(out, {"--keep-journal"}).exit_code == 0);
  const std::string whole = read_text(out);
  fs::remove(out);
  job.dir.write("b.jsonl", "{\"prompt\": \"B\", \"temperature\": 1}\n");
  const EetResult resumed = job.generate(out, {"--resume", "--stats", job.dir.file("stats.json")});
  CAPTURE(resumed.err);
  REQUIRE(resumed.exit_code == 0);
  const std::vector<json> before = parse_lines(whole);
  const std::vector<json> after = parse_lines(read_text(out));
  REQUIRE(after.size() == 5);
  for (const size_t same : {0, 1, 3, 4}) CHECK(after[same] == before[same]);
  CHECK(json::parse(read_text(job.dir.file("stats.json")))["resumed"]["served"] == 4);

  const EetResult complete = job.generate(out, {"--resume"});
  CHECK(complete.exit_code == 0);
  CHECK(complete.err.find("nothing to resume") != std::string::npos);
  const EetResult own = job.generate(job.inputs[1], {"--overwrite"});
  CHECK(own.exit_code == 1);
  CHECK(own.err.find("another input or output") != std::string::npos);
}

TEST_CASE("a survey of several inputs names the file of each bad row") {
  const ThreeInputs job;
  const std::string bad = job.dir.write("b.jsonl", "\n{}\n");
  const EetResult result = run_eet({"validate", "-m", kModel, "--device", "cpu", "--json",
                                    "--no-calibrate", "-i", job.inputs[0], bad});
  CHECK(result.exit_code == 3);
  const json report = json::parse(result.out);
  CHECK(report["inputs"] == json{job.inputs[0], bad});
  CHECK(report["rows"] == 3);
  CHECK(report["first_bad_rows"][0]["input"] == bad);
  CHECK(report["first_bad_rows"][0]["line"] == 2);
  const EetResult text = run_eet(
      {"generate", "--dry-run", "-m", kModel, "--device", "cpu", "-i", job.inputs[0], "-i", bad});
  CHECK(text.out.find("a.jsonl and 1 more: 3 rows, 2 good, 1 bad") != std::string::npos);
  CHECK(text.out.find("\n  " + bad + ": line 2: expected a field prompt") != std::string::npos);
}

}  // namespace
}  // namespace eet
