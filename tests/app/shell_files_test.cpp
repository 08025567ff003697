// Completion scripts and manual pages.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

bool has_program(const std::string& name) {
  return std::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0;
}

// Runs a script for its exit code, and puts what it prints into `out`.
int run_script(const std::string& command, std::string& out) {
  const TempDirectory dir;
  const int status =
      std::system((command + " >" + shell_quoted(dir.file("out")) + " 2>&1").c_str());
  out = read_text(dir.file("out"));
  return status;
}

std::string completion(const std::string& shell) {
  const EetResult result = run_eet({"completion", shell});
  CHECK(result.exit_code == 0);
  return result.out;
}

TEST_CASE("bash completes commands, flags and the words that flags take") {
  const TempDirectory dir;
  const std::string script = dir.write("eet.bash", completion("bash"));
  std::string out;
  CHECK(run_script("bash -n " + shell_quoted(script), out) == 0);
  CHECK(out.empty());
  const auto complete = [&](const std::string& words) {
    const std::string command = "source '" + script + "'; COMP_WORDS=(" + words +
                                "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _eet; "
                                "echo \"${COMPREPLY[@]}\"";
    std::string result;
    CHECK(run_script("bash -c " + shell_quoted(command), result) == 0);
    return result;
  };
  CHECK(complete("eet gen") == "generate\n");
  CHECK(complete("eet --v") == "--version\n");
  CHECK(complete("eet generate --max-num-s") == "--max-num-seqs\n");
  CHECK(complete("eet generate --device c") == "cpu cuda\n");
  CHECK(complete("eet score --prompt-policy p") == "packed padded\n");
  CHECK(complete("eet bench -o j") == "json jsonl\n");
  CHECK(complete("eet generate -m ''") == "\n");  // a file name, which bash itself completes
  CHECK(complete("eet merge part") == "\n");
}

TEST_CASE("zsh and fish read their completion scripts") {
  const TempDirectory dir;
  for (const std::string shell : {"zsh", "fish"}) {
    const std::string text = completion(shell);
    CHECK(text.find("max-num-seqs") != std::string::npos);
    CHECK(text.find("auto cpu cuda") != std::string::npos);
    if (!has_program(shell)) {
      MESSAGE("skipped: no " << shell << " to check its script");
      continue;
    }
    std::string out;
    CHECK(run_script(shell + " -n " + shell_quoted(dir.write("script", text)), out) == 0);
    CHECK(out.empty());
  }
}

TEST_CASE("every command has a manual page with all its flags, and man has no complaint of it") {
  const TempDirectory dir;
  for (const std::string command : {"", "generate", "validate", "score", "merge", "convert",
                                    "inspect", "tokenize", "bench", "devices", "completion"}) {
    CAPTURE(command);
    std::vector<std::string> args = {"man"};
    if (!command.empty()) args.push_back(command);
    const EetResult page = run_eet(args);
    CHECK(page.exit_code == 0);
    CHECK(page.out.starts_with(".TH EET"));
    if (!has_program("man")) {
      MESSAGE("skipped: no man to render the page");
      continue;
    }
    std::string out;
    const std::string file = dir.write("page.1", page.out);
    CHECK(run_script("MANWIDTH=80 LC_ALL=C man --warnings -l " + shell_quoted(file), out) == 0);
    CHECK(out.find("warning: ") == std::string::npos);
    CHECK(out.find("SYNOPSIS") != std::string::npos);
    if (command == "generate") CHECK(out.find("--max-num-seqs INT") != std::string::npos);
  }
  const EetResult unknown = run_eet({"man", "conjure"});
  CHECK(unknown.exit_code == 1);
  CHECK(unknown.err.find("expected a command of eet, got conjure") != std::string::npos);
}

}  // namespace
}  // namespace eet
