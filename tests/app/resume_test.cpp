// Jobs that are killed, interrupted or run out of disk, and resumed: the output is that of an
// undisturbed run.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

// EET_KILLS=300 EET_KILL_ROWS=2000 is the long run of development: about ten minutes a test case.
int from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

// Some of the prompts begin with the same long text.
std::string prompts(int rows) {
  const std::vector<std::string> texts = {"Once upon a time", "The king", "A",
                                          "In the deep forest"};
  std::string tale;
  for (int i = 0; i < 12; ++i) tale += "There was a king who had three daughters, and a fox. ";
  std::string lines;
  for (int row = 0; row < rows; ++row) {
    const std::string& text = texts[static_cast<size_t>(row) % texts.size()];
    json line = {{"prompt", row % 3 == 0 ? tale + text : text}, {"n_th", row}};
    line["max_tokens"] = 1 + row * 7 % 24;
    if (row % 9 == 0) line["seed"] = row;
    if (row % 31 == 5) line["top_p"] = 7;  // a bad row
    lines += line.dump() + "\n";
  }
  return lines;
}

// `text` compressed, as gzip does it.
std::string gzip(const std::string& text) {
  std::string bytes(compressBound(text.size()) + 64, '\0');
  z_stream stream{};
  constexpr int kGzip = 16;
  deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzip + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  deflate(&stream, Z_FINISH);
  bytes.resize(stream.total_out);
  deflateEnd(&stream);
  return bytes;
}

enum class Files { kPlain, kCompressed };

struct TestJob {
  TestJob(const TempDirectory& dir, int rows, std::vector<std::string> more_flags,
          Files files = Files::kPlain)
      : input(files == Files::kPlain ? dir.write("in.jsonl", prompts(rows))
                                     : dir.write("in.jsonl.gz", gzip(prompts(rows)))),
        output(dir.file(files == Files::kPlain ? "out.jsonl" : "out.jsonl.zst")),
        journal(output + ".eet-journal"),
        flags(std::move(more_flags)) {}

  std::vector<std::string> args(const std::string& out,
                                const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"generate", "-m",        sample_model("tales-llama"),
                                    "-i",       input,       "-o",
                                    out,        "--device",  "cpu",
                                    "-q",       "--threads", "2"};
    all.insert(all.end(), flags.begin(), flags.end());
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  EetResult run(const std::vector<std::string>& more = {}) const {
    return run_eet(args(output, more));
  }
  // The output of a job that nothing disturbs.
  std::string undisturbed(const TempDirectory& dir) const {
    const std::string name = "undisturbed" + std::filesystem::path(output).extension().string();
    const EetResult result = run_eet(args(dir.file(name), {"--overwrite", "--no-prefix-sharing"}));
    REQUIRE(result.exit_code == 3);  // bad rows
    return read_text(dir.file(name));
  }

  std::string input;
  std::string output;
  std::string journal;
  std::vector<std::string> flags;
};

// Starts the job, sends it `signal` after `delay`, and gives its exit code, or 128 and the signal.
int run_and_send(const TestJob& job, const std::vector<std::string>& more, int signal,
                 std::chrono::microseconds delay) {
  std::vector<std::string> args = job.args(job.output, more);
  std::vector<char*> argv = {const_cast<char*>(EET_PROGRAM)};
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const int nothing = ::open("/dev/null", O_RDWR);
    ::dup2(nothing, STDOUT_FILENO);
    ::dup2(nothing, STDERR_FILENO);
    ::execv(EET_PROGRAM, argv.data());
    ::_exit(127);
  }
  std::this_thread::sleep_for(delay);
  ::kill(child, signal);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string as_it_is(std::string text) {
  return text;
}

// The rows, whatever their order.
std::string sorted_lines(const std::string& text) {
  std::vector<json> rows = parse_lines(text);
  std::sort(rows.begin(), rows.end());
  return join_lines(rows);
}

struct Kills {
  int kills = 6;
  int rows = 150;
};
constexpr Kills kFewKills = {3, 100};

// Outputs are compared as `view` shows them.
void kill_and_resume(const std::vector<std::string>& flags, const Kills& otherwise = {},
                     Files files = Files::kPlain,
                     const std::function<std::string(std::string)>& view = as_it_is) {
  const int kills = from_environment("EET_KILLS", otherwise.kills);
  const TempDirectory dir;
  const TestJob job(dir, from_environment("EET_KILL_ROWS", otherwise.rows), flags, files);
  const auto start = std::chrono::steady_clock::now();
  const std::string expected = view(job.undisturbed(dir));
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - start);
  std::mt19937 random(7);
  int killed = 0;
  int runs = 0;
  for (; killed < kills && runs < 10 * kills; ++runs) {
    // Somewhere in a whole run, and more often near its start: a resumed job has less to do. A job
    // that is complete is begun again.
    const auto latest = static_cast<unsigned>(whole.count()) >> random() % 4;
    const std::chrono::microseconds delay(random() % std::max(1U, latest));
    const int code = run_and_send(job, {"--resume"}, SIGKILL, delay);
    CHECK((code == 128 + SIGKILL || code == 3));
    killed += code == 128 + SIGKILL ? 1 : 0;
    if (std::filesystem::exists(job.output)) {
      REQUIRE(view(read_text(job.output)) == expected);
      std::filesystem::remove(job.output);
    }
  }
  const EetResult last = job.run({"--resume"});
  CAPTURE(last.err);
  CHECK(last.exit_code == 3);
  CHECK(view(read_text(job.output)) == expected);
  CHECK_FALSE(std::filesystem::exists(job.journal));
  CHECK(killed == kills);
  MESSAGE(killed << " of " << runs << " runs were killed before their end");
}

TEST_CASE("a greedy job that is killed and resumed again and again ends as if undisturbed") {
  kill_and_resume({"--temperature", "0"});
}

TEST_CASE("a sampled job that is killed and resumed again and again ends as if undisturbed") {
  kill_and_resume({"--seed", "11", "--top-p", "0.95", "--output-token-ids", "--logprobs"});
}

TEST_CASE("a job of several samples that is killed again and again ends as if undisturbed") {
  kill_and_resume({"-n", "3", "--best-of", "4", "--max-num-seqs", "16"}, kFewKills);
}

TEST_CASE("a job from and to compressed files that is killed ends as if undisturbed") {
  kill_and_resume({"--logprobs"}, kFewKills, Files::kCompressed);
}

TEST_CASE("a shard that is killed again and again ends as if undisturbed") {
  kill_and_resume({"--shard", "1/2"}, kFewKills);
}

TEST_CASE("a job in the order of completion that is killed has the rows of one undisturbed") {
  kill_and_resume({"--output-order", "completion"}, kFewKills, Files::kPlain, sorted_lines);
}

// A job whose journal is complete, for tests of what is served.
void keep_complete_journal(const TestJob& job) {
  REQUIRE(job.run({"--keep-journal"}).exit_code == 3);
  REQUIRE(std::filesystem::exists(job.journal));
}

json resumed_counts(const TempDirectory& dir, const TestJob& job,
                    const std::vector<std::string>& more = {}) {
  std::vector<std::string> args = {"--resume", "--keep-journal", "--stats", dir.file("stats")};
  args.insert(args.end(), more.begin(), more.end());
  const EetResult result = job.run(args);
  CAPTURE(result.err);
  CHECK(result.exit_code == 3);
  return json::parse(read_text(dir.file("stats")))["resumed"];
}

TEST_CASE("rows are served as long as nothing they depend on changes") {
  const TempDirectory dir;
  TestJob job(dir, 60, {"--temperature", "0"});
  keep_complete_journal(job);
  const std::string whole = read_text(job.output);
  CHECK(resumed_counts(dir, job) == json{{"served", 60}, {"changed", 0}, {"retried", 0}});
  CHECK(read_text(job.output) == whole);

  SUBCASE("errors are retried when asked for") {
    CHECK(resumed_counts(dir, job, {"--retry-errors"}) ==
          json{{"served", 58}, {"changed", 0}, {"retried", 2}});
  }
  SUBCASE("a changed prompt runs again, alone") {
    std::string text = read_text(job.input);
    text.replace(text.find("The king"), 8, "The fool");
    dir.write("in.jsonl", text);
    CHECK(resumed_counts(dir, job) == json{{"served", 59}, {"changed", 1}, {"retried", 0}});
    CHECK(read_text(job.output) == job.undisturbed(dir));
  }
  SUBCASE("an input cut short or grown gives the rows that it has") {
    dir.write("in.jsonl", prompts(40));
    CHECK(resumed_counts(dir, job)["served"] == 40);
    CHECK(read_text(job.output) == job.undisturbed(dir));
    dir.write("in.jsonl", prompts(70));
    CHECK(resumed_counts(dir, job)["served"] == 60);
    CHECK(read_text(job.output) == job.undisturbed(dir));
  }
  SUBCASE("other fields of the output run again") {
    job.flags.emplace_back("--logprobs");
    CHECK(resumed_counts(dir, job)["served"] == 0);
    CHECK(read_text(job.output) == job.undisturbed(dir));
  }
}

TEST_CASE("flipped bytes and a torn tail of the journal cost work, not rows") {
  const TempDirectory dir;
  const TestJob job(dir, 60, {"--seed", "3"});
  keep_complete_journal(job);
  const std::string expected = read_text(job.output);
  const std::string whole = read_text(job.journal);
  std::mt19937 random(5);
  for (int i = 0; i < 4; ++i) {
    std::string damaged = whole.substr(0, whole.size() - random() % (whole.size() / 4));
    for (int n = 0; n < 5; ++n) damaged[random() % damaged.size()] ^= 0x20;
    dir.write("out.jsonl.eet-journal", damaged);
    std::filesystem::remove(job.output);
    const EetResult result = job.run({"--resume", "--keep-journal"});
    CAPTURE(result.err);
    CHECK(result.exit_code == 3);
    CHECK(read_text(job.output) == expected);
  }
}

TEST_CASE("an unfinished job's journal is not lost by mistake") {
  const TempDirectory dir;
  const TestJob job(dir, 20, {"--temperature", "0"});
  keep_complete_journal(job);
  const EetResult refused = job.run();
  CHECK(refused.exit_code == 1);
  CHECK(refused.err.find("--resume") != std::string::npos);
  CHECK(refused.err.find("--overwrite") != std::string::npos);
  CHECK(std::filesystem::exists(job.journal));
  CHECK(job.run({"--overwrite"}).exit_code == 3);
  CHECK_FALSE(std::filesystem::exists(job.journal));
}

TEST_CASE("a finished output is replaced by --overwrite only, and nothing is left to resume") {
  const TempDirectory dir;
  const TestJob job(dir, 20, {"--temperature", "0"});
  CHECK(job.run().exit_code == 3);
  const std::string finished = read_text(job.output);
  const auto refuses = [&](const std::vector<std::string>& flags) {
    const EetResult result = job.run(flags);
    CHECK(result.exit_code == 1);
    CHECK(result.err.find("--overwrite") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(job.journal));
  };
  refuses({});
  refuses({"--no-journal"});
  const EetResult resumed = job.run({"--resume", "--repetition-penalty", "1.5"});
  CHECK(resumed.exit_code == 3);
  CHECK(resumed.err.find("complete already, 20 rows, ") != std::string::npos);
  CHECK(read_text(job.output) == finished);
  CHECK(job.run({"--overwrite", "--repetition-penalty", "1.5"}).exit_code == 3);
  CHECK(read_text(job.output) != finished);
  // Something else than this job's output.
  for (const std::string& text :
       {std::string("notes\n"), finished + finished, finished.substr(0, finished.find('\n') + 1)}) {
    dir.write("out.jsonl", text);
    refuses({"--resume"});
    CHECK(read_text(job.output) == text);
  }
  dir.write("out.jsonl", "");  // of mktemp
  CHECK(job.run().exit_code == 3);
}

TEST_CASE("flags that changed are told with the number of rows before these run again") {
  const TempDirectory dir;
  const TestJob job(dir, 20, {"--temperature", "0"});
  keep_complete_journal(job);
  std::filesystem::remove(job.output);
  CHECK(job.run({"--resume", "--keep-journal"}).err.find("run again") == std::string::npos);
  std::filesystem::remove(job.output);
  const EetResult changed = job.run({"--resume", "--repetition-penalty", "1.5"});
  CHECK(changed.err.find("of its 20 finished rows run again 20\n") != std::string::npos);
}

TEST_CASE("an output that is a symbolic link stays one") {
  const TempDirectory dir;
  const TestJob job(dir, 5, {"--max-tokens", "2"});
  dir.write("real.jsonl", "");
  std::filesystem::create_symlink("real.jsonl", job.output);
  CHECK(job.run().exit_code == 0);
  CHECK(std::filesystem::is_symlink(job.output));
  CHECK_FALSE(read_text(dir.file("real.jsonl")).empty());
}

TEST_CASE("a signal ends the job after the present step and says how to go on") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const TempDirectory dir;
    const TestJob job(dir, 3000, {"--seed", "3"});
    CHECK(run_and_send(job, {}, signal, std::chrono::milliseconds(1500)) == 128 + signal);
    CHECK(std::filesystem::exists(job.journal));
    CHECK_FALSE(std::filesystem::exists(job.output));
  }
}

TEST_CASE("a signal wakes a job that waits for its input") {
  const TempDirectory dir;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[0], STDIN_FILENO);
    ::close(ends[1]);
    ::execl(EET_PROGRAM, EET_PROGRAM, "generate", "-m", sample_model("tales-llama").c_str(), "-i",
            "-", "-o", dir.file("out").c_str(), "--device", "cpu", "-q", nullptr);
    ::_exit(127);
  }
  // The journal gets its header when all is loaded.
  for (int i = 0; i < 600 && read_text(dir.file("out.eet-journal")).empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  ::kill(child, SIGTERM);
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 143);
}

TEST_CASE("a full disk leaves what was finished, and the job goes on when there is room") {
  const TempDirectory dir;
  const TestJob job(dir, 200, {"--temperature", "0"});
  const std::string expected = job.undisturbed(dir);
  std::string command = "ulimit -f 16; exec " + shell_quoted(EET_PROGRAM);
  for (const std::string& arg : job.args(job.output, {})) command += " " + shell_quoted(arg);
  command += " 2>" + shell_quoted(dir.file("err"));
  const int status = std::system(("bash -c " + shell_quoted(command)).c_str());
  CHECK(WEXITSTATUS(status) == 1);
  CHECK(read_text(dir.file("err")).find("--resume") != std::string::npos);
  CHECK(job.run({"--resume"}).exit_code == 3);
  CHECK(read_text(job.output) == expected);
}

}  // namespace
}  // namespace eet
