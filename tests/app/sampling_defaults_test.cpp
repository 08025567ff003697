// generation_config.json and the flags and rows that win over it.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

// tales-gpt2 with a generation_config.json.
class ConfiguredModel {
 public:
  explicit ConfiguredModel(const std::string& generation_config) {
    std::filesystem::copy(sample_model("tales-gpt2"), path(),
                          std::filesystem::copy_options::recursive);
    dir_.write("model/generation_config.json", generation_config);
    dir_.write("in.jsonl", R"({"prompt": "The king"})");
  }
  std::string path() const { return dir_.file("model"); }
  std::string file(const std::string& name) const { return dir_.file(name); }

  EetResult run(std::vector<std::string> flags) const {
    const std::vector<std::string> args = {
        "generate", "--device", "cpu", "-m", path(), "-i", dir_.file("in.jsonl"), "-o", "-"};
    flags.insert(flags.begin(), args.begin(), args.end());
    return run_eet(flags);
  }

 private:
  TempDirectory dir_;
};

constexpr const char* kConfig =
    R"({"do_sample": true, "temperature": 0.25, "top_k": 7, "top_p": 0.5, "max_new_tokens": 3,
        "repetition_penalty": 1.25, "eos_token_id": 0})";

TEST_CASE("generation_config.json gives what neither row nor flag does, and the summary says so") {
  const ConfiguredModel model(kConfig);
  const EetResult by_file = model.run({"--seed", "3"});
  CHECK(by_file.exit_code == 0);
  CHECK(by_file.err.find("sampling    max_tokens 3, temperature 0.25, top_k 7, top_p 0.5 and "
                         "repetition_penalty 1.25 (generation_config)") != std::string::npos);
  const EetResult by_flags =
      model.run({"--seed", "3", "--generation-config", "none", "--temperature", "0.25", "--top-k",
                 "7", "--top-p", "0.5", "--max-tokens", "3", "--repetition-penalty", "1.25"});
  CHECK(by_flags.out == by_file.out);
  CHECK(by_flags.err.find("(flags)") != std::string::npos);
  const EetResult mixed = model.run({"--max-tokens", "2", "--temperature", "0"});
  CHECK(parse_lines(mixed.out)[0]["usage"]["completion_tokens"] == 2);
  CHECK(mixed.err.find("max_tokens 2 and temperature 0 (flags), top_k 7") != std::string::npos);
  CHECK(parse_lines(model.run({"--generation-config", "none", "--max-tokens", "5"})
                        .out)[0]["usage"]["completion_tokens"] == 5);
}

TEST_CASE("a flag wins over generation_config.json also where it says what is built in") {
  const ConfiguredModel model(kConfig);
  CHECK(model.run({"--seed", "3", "--temperature", "1"}).err.find("temperature 1 (flag)") !=
        std::string::npos);
}

TEST_CASE("do_sample false in generation_config.json is greedy, and other files can be named") {
  const ConfiguredModel model(R"({"do_sample": false, "temperature": 0.6, "max_new_tokens": 4})");
  const EetResult greedy =
      model.run({"--generation-config", "none", "--temperature", "0", "--max-tokens", "4"});
  CHECK(model.run({}).out == greedy.out);
  const ConfiguredModel other(R"({})");
  CHECK(other.run({"--generation-config", model.path()}).out == greedy.out);
  CHECK(other.run({"--generation-config", model.path() + "/generation_config.json"}).out ==
        greedy.out);
  CHECK(other.run({"--generation-config", other.file("absent")}).exit_code == 1);
}

TEST_CASE("a bad value in generation_config.json is named with its file") {
  const EetResult result = ConfiguredModel(R"({"temperature": "hot"})").run({});
  CHECK(result.exit_code == 1);
  CHECK(result.err.find("generation_config.json: temperature: expected a number, got \"hot\"") !=
        std::string::npos);
  CHECK(ConfiguredModel(R"({"top_p": 2})").run({}).exit_code == 1);
}

TEST_CASE("convert keeps generation_config.json") {
  const ConfiguredModel model(kConfig);
  REQUIRE(run_eet({"convert", model.path(), model.file("converted")}).exit_code == 0);
  CHECK(read_text(model.file("converted") + "/generation_config.json") == kConfig);
  const EetResult result = run_eet({"generate", "-m", model.file("converted"), "-i",
                                    model.file("in.jsonl"), "--seed", "3", "--device", "cpu"});
  CHECK(result.out == model.run({"--seed", "3"}).out);
}

}  // namespace
}  // namespace eet
