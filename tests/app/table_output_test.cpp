// Outputs that are tables, from the command line.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

const std::string kModel = sample_model("tales-llama");

// Rows with different fields, one of them bad.
constexpr const char* kRows =
    "{\"id\": \"a\", \"prompt\": \"Once\", \"label\": \"x, \\\"y\\\"\"}\n"
    "{\"id\": 2, \"prompt\": 7}\n"
    "{\"prompt\": \"There\", \"note\": {\"k\": [1]}, \"logprobs\": true}\n";

EetResult generate(const std::string& input, const std::string& output,
                   std::vector<std::string> flags = {}) {
  flags.insert(flags.begin(), {"generate", "-q", "-m", kModel, "-i", input, "-o", output,
                               "--device", "cpu", "--max-tokens", "3"});
  return run_eet(flags);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* kHeader = "id,text,logprobs,finish_reason,usage,error,label,note\n";

TEST_CASE("a file whose name ends in .csv is a table with the columns of all rows") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", kRows);
  const std::string out = dir.file("out.csv");
  CHECK(generate(input, out).exit_code == 3);
  const std::string table = read_text(out);
  CHECK(table.starts_with(kHeader));
  CHECK(contains(table, ",length,\"{\"\"prompt_tokens\"\":"));
  CHECK(contains(table, ",,\"x, \"\"y\"\"\",\n2,\"\",,error,"));
  CHECK(contains(table, ",,,\"{\"\"k\"\": [1]}\"\n"));

  CHECK(generate(input, dir.file("out.tsv.gz")).exit_code == 3);
  CHECK(generate(input, dir.file("out.csv"), {"--output-format", "simple", "--overwrite"})
            .exit_code == 3);
  CHECK(parse_lines(read_text(out)).size() == 3);
}

TEST_CASE("a job whose output is a table is resumed, in JSON lines too, and known when complete") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", kRows);
  const std::string out = dir.file("out.csv");
  CHECK(generate(input, out, {"--keep-journal"}).exit_code == 3);
  const std::string table = read_text(out);
  fs::remove(out);
  const std::string stats = dir.file("stats.json");
  CHECK(generate(input, out, {"--resume", "--stats", stats}).exit_code == 3);
  CHECK(read_text(out) == table);
  CHECK(nlohmann::json::parse(read_text(stats))["resumed"]["served"] == 3);

  const EetResult complete = generate(input, out, {"--resume"});
  CHECK(complete.exit_code == 3);
  CHECK(contains(complete.err, "complete already, 3 rows, 1 of them failed"));
  const std::string other = dir.write("other.jsonl", "{\"id\": \"b\", \"prompt\": \"x\"}\n");
  CHECK(contains(generate(other, out, {"--resume"}).err, "has the id a, the input's b"));
}

TEST_CASE("a stream has the columns of its first good row") {
  const TempDirectory dir;
  const std::string input = dir.write("in.csv", "id,prompt,label\na,Once,x\nb,There,\"y\nz\"\n");
  const EetResult stream = generate(input, "-", {"--output-format", "csv"});
  CHECK(stream.exit_code == 0);
  CHECK(stream.out.starts_with("id,text,finish_reason,usage,error,label\na,"));
  CHECK(stream.out.ends_with(",\"y\nz\"\n"));
  const std::string uneven = dir.write("in.jsonl", kRows);
  const EetResult refused = generate(uneven, "-", {"--output-format", "csv"});
  CHECK(refused.exit_code == 1);
  CHECK(contains(refused.err, "for which the table has no column"));
}

TEST_CASE("what is no table is refused before the job starts") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", kRows);
  const EetResult openai = generate(input, dir.file("out.csv"), {"--output-format", "openai"});
  CHECK(openai.exit_code == 2);
  CHECK(contains(openai.err, "no table"));
  const EetResult shard = generate(input, dir.file("out.csv"), {"--shard", "0/2"});
  CHECK(shard.exit_code == 2);
  CHECK(contains(shard.err, "eet merge"));
}

TEST_CASE("the parts of a job are merged into the table that one run writes") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", kRows);
  generate(input, dir.file("whole.csv"));
  std::vector<std::string> merge = {"merge", "-o", dir.file("merged.csv")};
  for (const char* shard : {"0/2", "1/2"}) {
    merge.push_back(dir.file(std::string("part") + shard[0]));
    generate(input, merge.back(), {"--shard", shard});
  }
  CHECK(run_eet(merge).exit_code == 0);
  CHECK(read_text(dir.file("merged.csv")) == read_text(dir.file("whole.csv")));
}

TEST_CASE("scores are a table, too") {
  const TempDirectory dir;
  const std::string input = dir.write("in.txt", "Once upon a time\n");
  const EetResult scores = run_eet(
      {"score", "-q", "-m", kModel, "-i", input, "--device", "cpu", "--output-format", "csv"});
  CHECK(scores.exit_code == 0);
  CHECK(scores.out.starts_with("id,log_likelihood,perplexity,is_greedy,usage,error\n1,-"));
}

}  // namespace
}  // namespace eet
