// Flags from --config FILE and from EET_* variables.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

// A job of one row whose flags come from elsewhere; its completion tokens tell --max-tokens.
class Job {
 public:
  Job() {
    const std::string input = dir_.write("in", "{\"prompt\":\"Once upon a time\"}\n");
    common_ = "model = '" + sample_model("tales-llama") + "'\ninput = '" + input +
              "'\ndevice = 'cpu'\nquiet = true\nignore-eos = true\n";
  }

  EetResult run(const std::string& config, std::vector<std::string> flags = {}) const {
    flags.insert(flags.begin(), {"generate", "--config", dir_.write("job.toml", common_ + config)});
    return run_eet(flags);
  }

  int tokens(const std::string& config, const std::vector<std::string>& flags = {}) const {
    const EetResult result = run(config, flags);
    CAPTURE(result.err);
    CHECK(result.exit_code == 0);
    if (result.exit_code != 0) return 0;
    return json::parse(result.out)["usage"]["completion_tokens"];
  }

 private:
  TempDirectory dir_;
  std::string common_;
};

TEST_CASE("flags of a file are as if given, before any table or in the command's own") {
  const Job job;
  CHECK(job.tokens("max-tokens = 3") == 3);
  CHECK(job.tokens("max_tokens = 3") == 3);
  CHECK(job.tokens("n = 2\nmax-tokens = 3") == 6);
  CHECK(job.tokens("[generate]\nmax-tokens = 3") == 3);
  CHECK(job.tokens("[score]\nmax-tokens = 'not looked at'\n[generate]\nmax-tokens = 3") == 3);
  CHECK(job.tokens("output-token-ids = false\nmax-tokens = 2") == 2);
  CHECK(job.tokens("stop = ['never this', 'nor that']\nmax-tokens = 3") == 3);
}

TEST_CASE("the command line wins over variables, and those over the file") {
  const Job job;
  CHECK(job.tokens("max-tokens = 3", {"--max-tokens", "4"}) == 4);
  ::setenv("EET_MAX_TOKENS", "5", 1);
  CHECK(job.tokens("max-tokens = 3") == 5);
  CHECK(job.tokens("") == 5);
  CHECK(job.tokens("max-tokens = 3", {"--max-tokens", "4"}) == 4);
  CHECK(run_eet({"devices"}).exit_code == 0);  // another command has no such flag
  ::setenv("EET_MAX_TOKENS", "many", 1);
  CHECK(run_eet({"merge", "--help"}).exit_code == 0);
  const EetResult bad = job.run("");
  CHECK(bad.exit_code == 2);
  CHECK(bad.err.find("--max-tokens: expected an integer, got many") != std::string::npos);
  ::unsetenv("EET_MAX_TOKENS");
}

TEST_CASE("variables turn flags without a value on and off") {
  const Job job;
  ::setenv("EET_OUTPUT_TOKEN_IDS", "true", 1);
  CHECK(json::parse(job.run("max-tokens = 2").out).contains("token_ids"));
  ::setenv("EET_OUTPUT_TOKEN_IDS", "false", 1);
  CHECK_FALSE(json::parse(job.run("max-tokens = 2").out).contains("token_ids"));
  ::unsetenv("EET_OUTPUT_TOKEN_IDS");
}

TEST_CASE("a file that cannot be used is wrong usage, with its name, line and remedy") {
  const Job job;
  const auto check = [&](const std::string& config, const std::string& message) {
    const EetResult result = job.run(config);
    CAPTURE(result.err);
    CHECK(result.exit_code == 2);
    CHECK(result.err.starts_with("eet: error: "));
    CHECK(result.err.find("job.toml: line 6: ") != std::string::npos);
    CHECK(result.err.find(message) != std::string::npos);
  };
  check("max-token = 3", "max-token: no flag of eet generate; did you mean --max-tokens?");
  check("config = 'other.toml'", "config: no flag of eet generate");
  check("help = true", "help: no flag of eet generate");
  check("max-tokens = 'many'", "--max-tokens");
  check("max-tokens = [1, 2]", "--max-tokens");
  check("echo = 'yes'", "echo: expected true or false");
  check("dtype = 'int3'", "expected auto, fp32, fp16 or bf16, got int3");
  check("max-tokens 3", "expected = after max-tokens");
  const EetResult table = job.run("[genrate]\nmax-tokens = 3");
  CHECK(table.exit_code == 2);
  CHECK(table.err.find("[genrate]: expected the name of a command; did you mean generate?") !=
        std::string::npos);
  const TempDirectory dir;
  const std::string pipe = dir.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const std::string& path : {std::string("/nowhere/job.toml"), std::string("/"), pipe}) {
    const EetResult missing = run_eet({"generate", "--config", path});
    CAPTURE(missing.err);
    CHECK(missing.exit_code == 2);
    CHECK(missing.err.find(path) != std::string::npos);
  }
}

TEST_CASE("a required flag may come from a file, and help is given in spite of a bad one") {
  const Job job;
  CHECK(job.tokens("max-tokens = 1") == 1);  // the model and the input
  const EetResult help = run_eet({"generate", "--config", "/nowhere/job.toml", "--help"});
  CHECK(help.exit_code == 0);
  CHECK(help.out.find("--max-tokens") != std::string::npos);
}

}  // namespace
}  // namespace eet
