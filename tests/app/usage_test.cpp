// What the program says of itself, and of command lines that it does not understand.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

TEST_CASE("usage errors are one readable line that begins like every other error") {
  struct Case {
    std::vector<std::string> args;
    std::string message;
  };
  const std::vector<std::string> generate = {"generate", "-m", "x", "-i", "y"};
  const auto with = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> args = generate;
    args.insert(args.end(), flags.begin(), flags.end());
    return args;
  };
  const std::vector<Case> cases = {
      {{"conjure"}, "unknown command conjure (see eet --help)"},
      {{"generat"}, "unknown command generat; did you mean generate? (see eet --help)"},
      {{"--versio"}, "unknown flag --versio; did you mean --version? (see eet --help)"},
      {{"generate"}, "--model is required (see eet generate --help)"},
      {with({"--max-token", "4"}), "unknown flag --max-token; did you mean --max-tokens?"},
      {with({"--max-token=4"}), "unknown flag --max-token; did you mean --max-tokens?"},
      {with({"--quiet", "extra"}), "unexpected argument extra"},
      {with({"--max-num-seqs", "0"}), "--max-num-seqs: expected a number above 0, got 0"},
      {with({"--threads", "-1"}), "--threads: expected a number above 0, got -1"},
      {with({"--gpu-memory-utilization", "2"}), "expected a number from 0.01 to 1, got 2"},
      {with({"--journal-sync-seconds", "nan"}), "expected a number from 0 to 3600, got nan"},
      {with({"--max-tokens", "many"}), "--max-tokens: expected an integer, got many"},
      {with({"--max-tokens", "99999999999"}), "expected a smaller integer, got 99999999999"},
      {with({"--top-p", "high"}), "--top-p: expected a number, got high"},
      {with({"--schedule", "magic"}), "--schedule: expected one of refill, static, got magic"},
      {with({"--progress", "x"}), "--progress: expected one of auto, bar, lines, none, got x"},
      {with({"--resume=maybe"}), "--resume: expected true or false, got maybe"},
      {with({"--retry-errors"}), "--retry-errors requires --resume"},
      {{"bench", "--shared-prefix", "-1"}, "expected 0 or a number above it, got -1"},
      {{"completion", "tcsh"}, "shell: expected one of bash, zsh, fish, got tcsh"},
  };
  for (const Case& each : cases) {
    const EetResult result = run_eet(each.args);
    CAPTURE(each.message);
    CAPTURE(result.err);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("eet: error: "));
    CHECK(result.err.find(each.message) != std::string::npos);
    CHECK(result.err.find('\n') + 1 == result.err.size());
    CHECK(result.err.size() < 200);
  }
}

TEST_CASE("help of every command goes to standard output, and none is longer than a line is wide") {
  const EetResult all = run_eet({"--help"});
  CHECK(all.exit_code == 0);
  for (const char* command : {"generate", "validate", "score", "merge", "convert", "inspect",
                              "tokenize", "bench", "devices", "completion", "man"}) {
    CAPTURE(command);
    CHECK(all.out.find(std::string("\n  ") + command + " ") != std::string::npos);
    const EetResult help = run_eet({command, "--help"});
    CHECK(help.exit_code == 0);
    CHECK(help.err.empty());
    CHECK(help.out.find("Usage: eet " + std::string(command)) != std::string::npos);
    CHECK(help.out.find("{false}") == std::string::npos);
    std::istringstream lines(help.out);
    for (std::string line; std::getline(lines, line);) {
      CAPTURE(line);
      CHECK(line.size() <= 130);
    }
  }
}

TEST_CASE("the version names the commit, the compiler and CUDA") {
  const EetResult result = run_eet({"--version"});
  CHECK(result.exit_code == 0);
  CHECK(result.out.starts_with("eet "));
  CHECK(result.out.find("(commit ") != std::string::npos);
  CHECK(result.out.find("\nbuilt by ") != std::string::npos);
  CHECK(result.out.find("CUDA") != std::string::npos);
}

TEST_CASE("the devices that --device can name are listed") {
  const EetResult text = run_eet({"devices"});
  CHECK(text.exit_code == 0);
  CHECK(text.out.find("cpu       CPU, ") != std::string::npos);
  const json report = json::parse(run_eet({"devices", "--json"}).out);
  const json cpu = report["devices"].back();
  CHECK(cpu["name"] == "cpu");
  CHECK(cpu["memory_bytes"] > 0);
  CHECK(cpu["compute_capability"].is_null());
  CHECK(report["no_cuda"].is_null() == (report["devices"].size() > 1));
}

TEST_CASE("the program does not load cuBLASLt when it starts") {
  if (!std::filesystem::exists("/lib64/ld-linux-x86-64.so.2")) {
    MESSAGE("skipped: needs glibc's dynamic linker for x86-64");
    return;
  }
  const TempDirectory dir;
  const std::string command = "LD_TRACE_LOADED_OBJECTS=1 " + shell_quoted(EET_PROGRAM) + " >" +
                              shell_quoted(dir.file("libraries"));
  CHECK(std::system(command.c_str()) == 0);
  const std::string libraries = read_text(dir.file("libraries"));
  CHECK(libraries.find("libc.so") != std::string::npos);
  CHECK(libraries.find("cublas") == std::string::npos);
}

}  // namespace
}  // namespace eet
