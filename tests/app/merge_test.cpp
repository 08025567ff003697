// `eet generate --shard` and `eet merge`: the parts of a job and what they make together.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

const std::string kModel = sample_model("tales-llama");

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Eleven rows without ids and seeds of their own, one of them bad.
std::string input_text() {
  std::string text;
  for (int i = 0; i < 11; ++i) {
    text += i == 4 ? "bad\n" : "{\"prompt\": \"" + std::string(i + 1, 'a') + "\"}\n";
  }
  return text;
}

void generate(const std::string& input, const std::string& output,
              std::vector<std::string> flags = {}) {
  flags.insert(flags.begin(), {"generate", "-q", "-m", kModel, "-i", input, "-o", output,
                               "--device", "cpu", "--max-tokens", "4"});
  const EetResult result = run_eet(flags);
  CAPTURE(result.err);
  REQUIRE((result.exit_code == 0 || result.exit_code == 3));
}

// The outputs of three shards, and of one run.
struct ThreeShards {
  ThreeShards() {
    const std::string input = dir.write("in.jsonl", input_text());
    generate(input, whole);
    for (int i = 0; i < 3; ++i) {
      generate(input, parts[i], {"--shard", std::to_string(i) + "/3"});
    }
  }
  TempDirectory dir;
  std::string whole = dir.file("whole.jsonl");
  std::vector<std::string> parts = {dir.file("0.jsonl"), dir.file("1.jsonl.gz"),
                                    dir.file("2.jsonl.zst")};
  std::string out = dir.file("out.jsonl");
};

EetResult merge(const std::string& output, std::vector<std::string> parts) {
  parts.insert(parts.begin(), {"merge", "-o", output});
  return run_eet(parts);
}

TEST_CASE("shards merged in any order, plain or compressed, are one run to the byte") {
  const ThreeShards shards;
  const auto& p = shards.parts;
  CHECK(merge(shards.out, {p[2], p[0], p[1]}).exit_code == 0);
  CHECK(read_text(shards.out) == read_text(shards.whole));
  CHECK(merge("-", p).out == read_text(shards.whole));
  std::vector<std::string> with_checks = p;
  for (const std::string& each : p) with_checks.push_back(each + ".eet-shard");
  CHECK(merge(shards.dir.file("out.gz"), with_checks).exit_code == 0);
  CHECK(merge("-", {shards.dir.file("out.gz")}).exit_code == 1);  // what was merged is no shard
  CHECK_FALSE(std::filesystem::exists(shards.out + ".eet-partial"));
}

TEST_CASE("more shards than rows leave some empty, and merge all the same") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", "{\"prompt\": \"a\"}\n");
  std::vector<std::string> parts;
  for (const char* shard : {"0/2", "1/2"}) {
    parts.push_back(dir.file("part" + std::to_string(parts.size())));
    generate(input, parts.back(), {"--shard", shard});
  }
  generate(input, dir.file("whole"));
  CHECK(merge(dir.file("out"), parts).exit_code == 0);
  CHECK(read_text(dir.file("out")) == read_text(dir.file("whole")));
}

TEST_CASE("parts that are not all of one job are refused before anything is written") {
  const ThreeShards shards;
  const std::string& p0 = shards.parts[0];
  const std::string& p1 = shards.parts[1];
  const std::string& p2 = shards.parts[2];
  const TempDirectory& dir = shards.dir;
  const auto check = [&](const std::vector<std::string>& parts, const std::string& message) {
    const EetResult result = merge(shards.out, parts);
    CAPTURE(message);
    CAPTURE(result.err);
    CHECK(result.exit_code == 1);
    CHECK(contains(result.err, message));
    CHECK_FALSE(std::filesystem::exists(shards.out));
  };
  check({p0, p1}, "shard 2/3 is missing");
  check({p0, p2}, "shard 1/3 is missing");
  check({p1, p2}, "shard 0/3 is missing");
  check({p0, p0, p1, p2}, "shard 0/3 is also ");
  check({p0, p1, shards.whole}, "whole.jsonl.eet-shard beside it");
  check({p0, p1, dir.file("none")}, "expected a file");
  CHECK(merge(p0, {p0, p1, p2}).exit_code == 1);

  const std::string text = read_text(p0);
  const size_t last_line = text.rfind('\n', text.size() - 2) + 1;
  const size_t first_end = text.find('\n') + 1;
  const std::string check_text = read_text(p0 + ".eet-shard");
  const auto part = [&](const std::string& name, const std::string& rows) {
    dir.write(name + ".eet-shard", check_text);
    return dir.write(name, rows);
  };
  check({part("cut", text.substr(0, last_line)), p1, p2}, "expected the 4 rows of shard 0/3");
  check({part("lost", text.substr(first_end)), p1, p2}, "expected the 4 rows of shard 0/3");
  check({part("twice", text + text), p1, p2}, "expected the 4 rows of shard 0/3");
  check({part("changed", "{}\n" + text.substr(first_end)), p1, p2}, "its rows are not those");
  dir.write("bare", text);
  check({dir.file("bare"), p1, p2}, "bare.eet-shard beside it");
  dir.write("bare.eet-shard", "{}");
  check({dir.file("bare"), p1, p2}, "bare.eet-shard: expected what");
  // Up to eet 0.1 the check was the last line.
  const std::string last = check_text.substr(0, check_text.find(",\"rows_hash")) + "}\n";
  check({dir.write("old-twice", text + last + text + last), p1, p2}, "more follows the line");
  CHECK(merge(shards.out, {dir.write("old", text + last), p1, p2}).exit_code == 0);
  CHECK(read_text(shards.out) == read_text(shards.whole));
  std::filesystem::remove(shards.out);
  dir.write("cut.zst.eet-shard", read_text(p2 + ".eet-shard"));
  check({p0, p1, dir.write("cut.zst", read_text(p2).substr(0, 60))}, "data end too early");

  const std::string other = dir.write("other.jsonl", input_text() + "{\"prompt\": \"a\"}\n");
  generate(other, dir.file("other0"), {"--shard", "0/3"});
  check({dir.file("other0"), p1, p2}, "expected shards of one input, got 12 and 11 rows");
  generate(other, dir.file("other4"), {"--shard", "1/4"});
  check({p0, dir.file("other4"), p2}, "expected a shard of 3");

  const std::string input = dir.file("in.jsonl");
  generate(input, dir.file("flags1"), {"--shard", "1/3", "--top-k", "9"});
  check({p0, dir.file("flags1"), p2}, "expected shards of one job");
  CHECK(run_eet({"generate", "-q", "-m", sample_model("tales-gpt2"), "-i", input, "-o",
                 dir.file("model1"), "--device", "cpu", "--max-tokens", "4", "--shard", "1/3"})
            .exit_code == 3);
  check({p0, dir.file("model1"), p2}, "different models, flags or versions");
}

TEST_CASE("shards whose chat templates were told different times are not merged") {
  const TempDirectory dir;
  std::filesystem::copy(sample_model("tales-gpt2"), dir.file("model"));
  dir.write("model/chat_template.jinja",
            R"({{ strftime_now("%d %b %Y") }} {{ messages[0]["content"] }})");
  const std::string row = R"({"messages":[{"role":"user","content":"hi"}]})";
  const std::string input = dir.write("in.jsonl", row + "\n" + row + "\n{\"prompt\":\"a\"}\n");
  const auto run = [&](const std::string& output, std::vector<std::string> flags) {
    flags.insert(flags.begin(),
                 {"generate", "-q", "-m", dir.file("model"), "-i", input, "-o", dir.file(output),
                  "--device", "cpu", "--max-tokens", "2", "--echo"});
    const EetResult result = run_eet(flags);
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    return dir.file(output);
  };
  const auto shard = [&](const std::string& index, const std::string& time) {
    return run(index + time, {"--shard", index + "/3", "--start-time", time});
  };
  const std::string noon = shard("0", "2026-01-31T12:00:00");
  const std::string next_day = shard("1", "2026-02-01");
  const std::string prompts_only = shard("2", "2026-03-01");
  const EetResult refused = merge(dir.file("out"), {noon, next_day, prompts_only});
  CHECK(refused.exit_code == 1);
  CHECK(contains(refused.err, "again with --start-time 2026-01-31T12:00:00"));
  CHECK_FALSE(std::filesystem::exists(dir.file("out")));

  const std::string whole = run("whole", {"--start-time", "2026-01-31"});
  CHECK(contains(read_text(whole), "31 Jan 2026 hi"));
  const std::string evening = shard("1", "2026-01-31T22:00:00");  // has the same date
  CHECK(merge(dir.file("out"), {noon, evening, prompts_only}).exit_code == 0);
  CHECK(read_text(dir.file("out")) == read_text(whole));
}

TEST_CASE("what is beside a shard's output and not eet's is neither read nor replaced") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", "{\"prompt\": \"a\"}\n");
  const std::string part = dir.file("part");
  const std::string check = part + ".eet-shard";
  const auto is_refused = [&](const char* message) {
    const EetResult result = run_eet({"generate", "-q", "-m", kModel, "-i", input, "-o", part,
                                      "--device", "cpu", "--shard", "0/1000000"});
    CHECK(result.exit_code == 1);
    CHECK(contains(result.err, message));
    CHECK_FALSE(std::filesystem::exists(part));
  };
  dir.write("part.eet-shard", "thesis");
  is_refused("the file is not eet's");
  CHECK(read_text(check) == "thesis");
  std::filesystem::remove(check);
  std::filesystem::create_symlink("elsewhere", check);
  is_refused("got a link");
  std::filesystem::remove(check);
  REQUIRE(::mkfifo(check.c_str(), 0600) == 0);
  is_refused("the file is not eet's");
  dir.write("part", "{}\n");
  const EetResult merged = merge(dir.file("out"), {part});
  CHECK(merged.exit_code == 1);
  CHECK(contains(merged.err, "expected a regular file"));
}

TEST_CASE("a shard that is none is wrong usage") {
  for (const char* shard : {"3/3", "1", "a/b", "0/0"}) {
    const EetResult result =
        run_eet({"generate", "-m", kModel, "-i", "/dev/null", "--shard", shard});
    CHECK(result.exit_code == 2);
    CHECK(contains(result.err, "expected I/N"));
  }
  CHECK(run_eet({"merge", "-o", "out"}).exit_code == 2);
}

TEST_CASE("compressed inputs and outputs give the rows of plain ones") {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", input_text());
  generate(input, dir.file("plain"));
  for (const std::string end : {".gz", ".zst"}) {
    generate(input, dir.file("out" + end));
    CHECK(read_text(dir.file("out" + end)) != read_text(dir.file("plain")));
    const std::string tool = end == ".gz" ? "gzip" : "zstd";
    if (std::system(("command -v " + tool + " >/dev/null").c_str()) != 0) {
      MESSAGE("skipped: no " << tool << " here");
      continue;
    }
    const std::string unpack = tool + " -dc " + shell_quoted(dir.file("out" + end)) + " | cmp - " +
                               shell_quoted(dir.file("plain"));
    CHECK(std::system(unpack.c_str()) == 0);
    const std::string packed = dir.file("in.jsonl" + end);
    REQUIRE(std::system(
                (tool + " -qc " + shell_quoted(input) + " >" + shell_quoted(packed)).c_str()) == 0);
    generate(packed, dir.file("again"), {"--overwrite"});
    CHECK(read_text(dir.file("again")) == read_text(dir.file("plain")));
    std::filesystem::resize_file(packed, std::filesystem::file_size(packed) - 5);
    const EetResult cut =
        run_eet({"generate", "-m", kModel, "-i", packed, "-o", dir.file("cut" + end)});
    CHECK(cut.exit_code == 1);
    CHECK(contains(cut.err, "data end too early, at byte "));
    CHECK_FALSE(std::filesystem::exists(dir.file("cut" + end)));
  }
}

}  // namespace
}  // namespace eet
