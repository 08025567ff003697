// Jobs whose devices fail and that start themselves again: the output is that of an undisturbed
// run. EET_PROGRAM is the program with faulty_engine.cpp.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

// Sets a variable of the programs that are run while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

constexpr const char* kFaults = "EET_TEST_FAULTS";

std::string prompts(int rows) {
  std::vector<json> lines;
  for (int row = 0; row < rows; ++row) {
    json line = {{"prompt", row % 3 == 0 ? "Once upon a time" : "The king"}, {"n_th", row}};
    line["max_tokens"] = 1 + row * 7 % 24;
    if (row % 5 == 2) line["n"] = 2;
    lines.push_back(std::move(line));
  }
  return join_lines(lines);
}

std::string sorted_lines(const std::string& text) {
  std::vector<json> rows = parse_lines(text);
  std::sort(rows.begin(), rows.end());
  return join_lines(rows);
}

struct RestartedJob {
  explicit RestartedJob(std::vector<std::string> more_flags = {},
                        const std::string& name = "out.jsonl")
      : input(dir.write("in.jsonl", prompts(80))),
        output(dir.file(name)),
        journal(output + ".eet-journal"),
        flags(std::move(more_flags)) {}

  std::vector<std::string> args(const std::string& out,
                                const std::vector<std::string>& more) const {
    std::vector<std::string> all = {command,
                                    "-m",
                                    sample_model("tales-llama"),
                                    "-i",
                                    input,
                                    "-o",
                                    out,
                                    "--device",
                                    "cpu",
                                    "--max-num-seqs",
                                    "6",
                                    "-q"};
    all.insert(all.end(), flags.begin(), flags.end());
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  EetResult run(const std::vector<std::string>& more = {}) const {
    return run_eet(args(output, more));
  }
  std::string undisturbed() const {
    const std::string out =
        dir.file("undisturbed" + std::filesystem::path(output).extension().string());
    const EetResult result = run_eet(args(out, {"--overwrite"}));
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    return read_text(out);
  }

  // Its devices fail as `faults` say; it ends well all the same.
  EetResult completes(const std::string& faults, const std::vector<std::string>& more = {}) const {
    const Variable variable(kFaults, faults);
    EetResult result = run(more);
    CAPTURE(faults);
    CAPTURE(result.err);
    CHECK(result.exit_code == 0);
    CHECK_FALSE(std::filesystem::exists(journal));
    return result;
  }

  // It gives up with this in its message, and is resumed on devices that work.
  void gives_up(const std::string& faults, const std::string& reason,
                const std::string& expected) const {
    {
      const Variable variable(kFaults, faults);
      const EetResult result = run();
      CAPTURE(faults);
      CAPTURE(result.err);
      CHECK(result.exit_code == 1);
      CHECK(result.err.find(reason) != std::string::npos);
      CHECK(result.err.find("--resume goes on from there") != std::string::npos);
      CHECK_FALSE(std::filesystem::exists(output));
    }
    const EetResult resumed = run({"--resume"});
    CAPTURE(resumed.err);
    CHECK(resumed.exit_code == 0);
    CHECK(read_text(output) == expected);
  }

  TempDirectory dir;
  std::string command = "generate";
  std::string input;
  std::string output;
  std::string journal;
  std::vector<std::string> flags;
};

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// What a job wrote to the log of faulty_engine.cpp, and the steps of its first engine.
int steps_in(const std::string& log) {
  return std::stoi(log.substr(log.rfind(" steps ") + 7));
}

TEST_CASE("a job whose device fails in any step starts again and ends as if undisturbed") {
  const RestartedJob job;
  const std::string log = job.dir.file("log");
  std::string expected;
  {
    const Variable logs("EET_TEST_LOG", log);
    expected = job.undisturbed();
  }
  const int steps = steps_in(read_text(log));
  REQUIRE(steps > 100);
  for (const int step : {30, steps / 2, steps - 1}) {
    const EetResult result = job.completes("0:0:" + std::to_string(step));
    CHECK(count(result.err, "cpu 0 failed: a test wants it") == 1);
    CHECK(count(result.err, "restart 1 of at most 3") == 1);
    CHECK(read_text(job.output) == expected);
    std::filesystem::remove(job.output);
  }
}

TEST_CASE("a job starts again three times, and then gives up with all that is finished safe") {
  const RestartedJob job;
  const std::string expected = job.undisturbed();
  const EetResult twice = job.completes("0:0:30,1:0:30");
  CHECK(count(twice.err, "failed: a test wants it") == 2);
  CHECK(read_text(job.output) == expected);
  std::filesystem::remove(job.output);
  job.completes("0:0:30,1:0:30,2:0:30");
  CHECK(read_text(job.output) == expected);
  std::filesystem::remove(job.output);
  job.gives_up("0:0:30,1:0:30,2:0:30,3:0:30", "has started again 3 times already", expected);
}

TEST_CASE("a job that has finished no row since its start does not start again") {
  const RestartedJob job;
  const std::string expected = job.undisturbed();
  {
    const Variable variable(kFaults, "0:0:0");
    const EetResult result = job.run();
    CAPTURE(result.err);
    CHECK(result.exit_code == 1);
    CHECK(
        result.err.find("a test wants it; the job does not start again, as no row was finished") !=
        std::string::npos);
    CHECK_FALSE(std::filesystem::exists(job.journal));
  }
  job.gives_up("0:0:30,1:0:0", "as no row was finished since its start", expected);
}

TEST_CASE("a fault of one of two devices restarts the job on both") {
  const RestartedJob job({"--data-parallel-size", "2"});
  const std::string expected = job.undisturbed();
  for (const std::string faults : {"0:0:30", "0:1:50", "0:0:30,1:1:30"}) {
    job.completes(faults);
    CHECK(read_text(job.output) == expected);
    std::filesystem::remove(job.output);
  }
}

TEST_CASE("a device that cannot be opened any more is left out, but only after a restart") {
  const RestartedJob job({"--data-parallel-size", "2"});
  const std::string expected = job.undisturbed();
  const EetResult result = job.completes("0:1:30,1:1:open");
  CHECK(result.err.find("left out: cpu: cannot be opened") != std::string::npos);
  CHECK(read_text(job.output) == expected);
  std::filesystem::remove(job.output);
  job.gives_up("0:1:30,1:0:open,1:1:open", "cpu: cannot be opened", expected);
  const Variable variable(kFaults, "0:1:open");
  CHECK(job.run({"--overwrite"}).exit_code == 1);
}

TEST_CASE("jobs of all kinds start again") {
  SUBCASE("shards") {
    const RestartedJob job({"--shard", "1/2"});
    const std::string expected = job.undisturbed();
    job.completes("0:0:30");
    CHECK(read_text(job.output) == expected);
    CHECK(std::filesystem::exists(job.output + ".eet-shard"));
  }
  SUBCASE("in the order of completion") {
    const RestartedJob job({"--output-order", "completion"});
    const std::string expected = sorted_lines(job.undisturbed());
    job.completes("0:0:30");
    CHECK(sorted_lines(read_text(job.output)) == expected);
  }
  SUBCASE("to a compressed file") {
    const RestartedJob job({}, "out.jsonl.zst");
    const std::string expected = job.undisturbed();
    job.completes("0:0:30");
    CHECK(read_text(job.output) == expected);
  }
  SUBCASE("of scores") {
    RestartedJob job;
    job.command = "score";
    job.dir.write("in.jsonl", [] {
      constexpr size_t kRows = 60;
      std::vector<json> lines;
      lines.reserve(kRows);
      for (size_t row = 0; row < kRows; ++row) {
        lines.push_back({{"text", "A king" + std::string(row, '.')}});
      }
      return join_lines(lines);
    }());
    const std::string expected = job.undisturbed();
    job.completes("0:0:6");
    CHECK(read_text(job.output) == expected);
  }
  SUBCASE("that overwrite, as a flag, a variable or a file says") {
    const RestartedJob job;
    const std::string expected = job.undisturbed();
    job.dir.write("out.jsonl", "old");
    job.completes("0:0:30", {"--overwrite"});
    CHECK(read_text(job.output) == expected);
    job.dir.write("out.jsonl", "old");
    job.completes("0:0:30", {"--config", job.dir.write("flags.toml", "overwrite = true\n")});
    CHECK(read_text(job.output) == expected);
    job.dir.write("out.jsonl", "old");
    const Variable overwrite("EET_OVERWRITE", "true");
    job.completes("0:0:30");
    CHECK(read_text(job.output) == expected);
  }
}

TEST_CASE("the statistics tell of restarts, and count rows of earlier starts as resumed") {
  const RestartedJob job;
  const std::string stats_file = job.dir.file("stats.json");
  job.completes("0:0:30,1:0:30", {"--stats", stats_file});
  const json stats = json::parse(read_text(stats_file));
  CHECK(stats["prompts"] == 80);
  REQUIRE(stats["restarts"].size() == 2);
  int64_t rows = 0;
  for (const json& restart : stats["restarts"]) {
    CHECK(restart["reason"] == "cpu 0 failed: a test wants it");
    CHECK(restart["rows"] > 0);
    CHECK(restart["seconds"] > 0);
    rows += restart["rows"].get<int64_t>();
  }
  CHECK(stats["resumed"]["served"] == rows);
  CHECK(rows < 80);
  RestartedJob loud;
  const Variable variable(kFaults, "0:0:30");
  std::vector<std::string> args = loud.args(loud.output, {});
  std::erase(args, "-q");
  const EetResult result = run_eet(args);
  CHECK(result.err.find("  restarted   after ") != std::string::npos);
}

TEST_CASE("a restart keeps the process, and no files but those that it was started with") {
  const RestartedJob job;
  const std::string log = job.dir.file("log");
  const Variable logs("EET_TEST_LOG", log);
  job.completes("0:0:30,1:0:30");
  std::istringstream lines(read_text(log));
  std::vector<std::string> starts;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) starts.push_back(line.substr(0, line.find(" steps ")));
  }
  REQUIRE(starts.size() == 3);
  CHECK(starts[0].starts_with("pid "));
  CHECK(starts[1] == starts[0]);
  CHECK(starts[2] == starts[0]);
}

TEST_CASE("input and output that cannot be repeated end the job, and say how to go on") {
  SUBCASE("standard input") {
    RestartedJob job;
    const std::string file = std::exchange(job.input, "-");
    {
      const Variable variable(kFaults, "0:0:30");
      const EetResult result = run_eet(job.args(job.output, {}), file);
      CAPTURE(result.err);
      CHECK(result.exit_code == 1);
      CHECK(result.err.find("standard input cannot be read twice") != std::string::npos);
      CHECK(result.err.find("--resume goes on from there") != std::string::npos);
    }
    CHECK(run_eet(job.args(job.output, {"--resume"}), file).exit_code == 0);
  }
  SUBCASE("a stream as output") {
    for (const bool to_stdout : {true, false}) {
      const RestartedJob job;
      const Variable variable(kFaults, "0:0:30");
      const EetResult result = to_stdout ? run_eet(job.args("-", {})) : job.run({"--no-journal"});
      CAPTURE(result.err);
      CHECK(result.exit_code == 1);
      CHECK(result.err.find("a test wants it; ") != std::string::npos);
      CHECK(result.err.find("the job cannot be resumed") != std::string::npos);
    }
  }
}

TEST_CASE("a signal that comes before the restart ends the job instead") {
  const RestartedJob job;
  const std::string expected = job.undisturbed();
  {
    const Variable variable(kFaults, "0:0:30");
    const Variable command("EET_TEST_DO", "kill -TERM $PPID");
    const EetResult result = job.run();
    CAPTURE(result.err);
    CHECK(result.exit_code == 143);
    CHECK(result.err.find("--resume goes on from there") != std::string::npos);
  }
  CHECK(job.run({"--resume"}).exit_code == 0);
  CHECK(read_text(job.output) == expected);
}

TEST_CASE("a job whose flags changed in their file while it ran is not mixed with another") {
  const RestartedJob job;
  const std::string flags = job.dir.write("flags.toml", "seed = 1\n");
  const Variable variable(kFaults, "0:0:30");
  const Variable command("EET_TEST_DO", "echo seed = 2 > " + shell_quoted(flags));
  const EetResult result = job.run({"--config", flags});
  CAPTURE(result.err);
  CHECK(result.exit_code == 1);
  CHECK(result.err.find("changed while the job ran; finished rows are safe in") !=
        std::string::npos);
  CHECK(std::filesystem::exists(job.journal));
}

TEST_CASE("a program that was replaced while it ran, in a directory that is gone, starts again") {
  const RestartedJob job;
  const std::string expected = job.undisturbed();
  const std::string copy = job.dir.file("eet");
  std::filesystem::copy_file(EET_PROGRAM, copy);
  const std::string gone = job.dir.file("gone");
  std::filesystem::create_directory(gone);
  const Variable variable(kFaults, "0:0:30");
  const Variable command("EET_TEST_DO", "rm " + shell_quoted(copy));
  std::string line = "cd " + shell_quoted(gone) + " && rmdir " + shell_quoted(gone) + " && exec " +
                     shell_quoted(copy);
  for (const std::string& arg : job.args(job.output, {})) line += " " + shell_quoted(arg);
  CHECK(std::system((line + " 2>" + shell_quoted(job.dir.file("err"))).c_str()) == 0);
  CAPTURE(read_text(job.dir.file("err")));
  CHECK(read_text(job.output) == expected);
}

TEST_CASE("restarts of another process mean nothing") {
  const RestartedJob job;
  job.dir.write("out.jsonl", "old");
  for (const std::string value : {"", "{", "[]", R"({"pid": 1, "restarts": []})",
                                  R"({"pid": 1, "restarts": [{"reason": "x", "rows": 1}]})"}) {
    const Variable variable("EET_RESTARTS", value);
    const EetResult result = job.run();
    CHECK(result.exit_code == 1);
    CHECK(result.err.find("the output exists") != std::string::npos);
  }
}

// With a GPU: a stray write of a kernel, after which CUDA refuses all work of the process.
int num_gpus() {
  int gpus = 0;
  const json list = json::parse(run_eet({"devices", "--json"}).out);
  for (const json& device : list["devices"]) {
    gpus += device["name"].get<std::string>().starts_with("cuda") ? 1 : 0;
  }
  return gpus;
}

void survives_stray_write(const std::vector<std::string>& devices, const std::string& faults) {
  RestartedJob job;
  job.dir.write("in.jsonl", prompts(300));
  const auto on_gpu = [&](const std::string& out) {
    std::vector<std::string> args = job.args(out, devices);
    const auto device = std::ranges::find(args, "--device");
    args.erase(device, device + 2);
    return run_eet(args);
  };
  const EetResult undisturbed = on_gpu(job.dir.file("undisturbed.jsonl"));
  CAPTURE(undisturbed.err);
  REQUIRE(undisturbed.exit_code == 0);
  const Variable variable(kFaults, faults);
  const EetResult result = on_gpu(job.output);
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
  CHECK(count(result.err, "cudaErrorIllegalAddress") == count(faults, ",") + 1);
  CHECK(count(result.err, " of at most 3)") == count(faults, ",") + 1);
  CHECK(read_text(job.output) == read_text(job.dir.file("undisturbed.jsonl")));
}

TEST_CASE("a job survives stray writes of a kernel on its GPU") {
  if (num_gpus() < 1) {
    MESSAGE("skipped: needs a GPU");
    return;
  }
  survives_stray_write({"--device", "cuda:0"}, "0:0:40,1:0:60");
}

TEST_CASE("a job on two GPUs survives stray writes of a kernel on either") {
  if (num_gpus() < 2) {
    MESSAGE("skipped: needs two GPUs");
    return;
  }
  survives_stray_write({"--device", "cuda", "--data-parallel-size", "2"}, "0:1:40,1:0:40");
}

}  // namespace
}  // namespace eet
