// How `eet generate` takes bad rows, bad files and bad flags: messages and exit codes.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

const std::string kModel = sample_model("tales-llama");

// A job on the CPU with what every test of this file leaves alone.
EetResult generate(const std::string& input, const std::string& output,
                   const std::vector<std::string>& flags = {}) {
  std::vector<std::string> args = {"generate", "-m",       kModel, "-i",           input, "-o",
                                   output,     "--device", "cpu",  "--max-tokens", "2"};
  args.insert(args.end(), flags.begin(), flags.end());
  return run_eet(args);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("bad rows of every kind keep their place, and the good rows around them are done") {
  struct Case {
    std::string line;
    std::string code;  // empty: a good row
  };
  const std::string long_prompt = json(std::vector<int>(2000, 5)).dump();
  const std::vector<Case> cases = {
      {R"({"prompt": "good"})", ""},
      {"not json", "invalid_json"},
      {R"({"prompt": "cut off)", "invalid_json"},
      {"[1, 2]", "invalid_json"},
      {"{\"prompt\": \"\xFF\xFE\"}", "invalid_json"},
      {std::string(100'000, '['), "invalid_json"},
      {R"({"prompt": "a", "prompt": "b"})", "duplicate_key"},
      {R"({"id": [1], "prompt": "a"})", "invalid_id"},
      {R"({"id": 4})", "missing_prompt"},
      {R"({"prompt": 5})", "invalid_prompt"},
      {R"({"prompt_token_ids": []})", "empty_prompt"},
      {R"({"prompt_token_ids": [5, 2048]})", "token_out_of_range"},
      {R"({"prompt_token_ids": [5, -1]})", "token_out_of_range"},
      {"{\"prompt_token_ids\": " + long_prompt + "}", "prompt_too_long"},
      {R"({"prompt": "a", "max_tokens": 0})", "invalid_parameter"},
      {R"({"prompt": "a", "max_tokens": "many"})", "invalid_parameter"},
      {R"({"prompt": "a", "temperature": -1})", "invalid_parameter"},
      {R"({"prompt": "a", "top_p": 1.5})", "invalid_parameter"},
      {R"({"prompt": "a", "top_k": -2})", "invalid_parameter"},
      {R"({"prompt": "a", "stop_token_ids": [99999]})", "invalid_parameter"},
      {R"({"prompt": "a", "num_beams": 2})", "unsupported_parameter"},
      {R"({"prompt": "a", "stream": true})", "unsupported_parameter"},
      {R"({"prompt": "a", "logit_bias": {"1": 5}})", "unsupported_parameter"},
      {R"({"prompt": ""})", ""},
      {R"({"prompt": "good again"})", ""},
  };
  const TempDirectory dir;
  std::string input;
  for (const Case& each : cases) input += each.line + "\n";
  const EetResult result = generate(dir.write("in", input), dir.file("out"));
  CAPTURE(result.err);
  CHECK(result.exit_code == 3);
  CHECK(result.out.empty());
  const std::vector<json> rows = parse_lines(read_text(dir.file("out")));
  REQUIRE(rows.size() == cases.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(cases[i].line);
    const json& row = rows[i];
    CHECK(row["usage"]["total_tokens"].is_number());
    CHECK(row["text"].is_string());
    if (cases[i].code.empty()) {
      CHECK(row["error"].is_null());
      CHECK(row["finish_reason"] != "error");
      continue;
    }
    REQUIRE(row["error"].is_object());
    CHECK(row["finish_reason"] == "error");
    CHECK(row["error"]["code"] == cases[i].code);
    const std::string message = row["error"]["message"];
    CHECK(message.starts_with("line " + std::to_string(i + 1) + ": "));
  }
}

TEST_CASE("an empty file gives an empty output and exit code 0") {
  const TempDirectory dir;
  const EetResult result =
      generate(dir.write("in", ""), dir.write("out", "old rows\n"), {"--overwrite"});
  CHECK(result.exit_code == 0);
  CHECK(read_text(dir.file("out")).empty());
}

TEST_CASE("prompts come from standard input and completions go to standard output alone") {
  const TempDirectory dir;
  const std::string input = dir.write("in", "{\"prompt\":\"a\"}\n{\"prompt\":\"b\",\"k\":1.10}\n");
  const EetResult result = run_eet(
      {"generate", "-m", kModel, "-i", "-", "-o", "-", "--device", "cpu", "--max-tokens", "2"},
      input);
  CHECK(result.exit_code == 0);
  CHECK(parse_lines(result.out).size() == 2);
  CHECK(contains(result.out, "\"k\":1.10}\n"));
  CHECK(contains(result.err, "memory plan"));
  CHECK(contains(result.err, "Throughput: "));
}

TEST_CASE("quiet prints nothing but errors") {
  const TempDirectory dir;
  const EetResult result = generate(dir.write("in", "{\"prompt\":\"a\"}"), dir.file("out"), {"-q"});
  CHECK(result.exit_code == 0);
  CHECK(result.err.empty());
}

TEST_CASE("the statistics are written as JSON") {
  const TempDirectory dir;
  const EetResult result = generate(
      dir.write("in", "{\"prompt\":\"a\"}\n{\"prompt\":\"a longer prompt than that\"}\nbad\n"),
      dir.file("out"), {"--stats", dir.file("stats.json")});
  CHECK(result.exit_code == 3);
  const json stats = json::parse(read_text(dir.file("stats.json")));
  CHECK(stats["prompts"] == 3);
  CHECK(stats["output_tokens"] == 4);
  CHECK(stats["dtype"] == "fp32");
  CHECK(stats["finish_reasons"]["error"] == 1);
  CHECK(stats["error_codes"]["invalid_json"] == 1);
  CHECK(stats["batches"] == 1);
  CHECK(stats["padding"]["computed"] == 0);
  CHECK(stats["padding"]["padded_would_compute"] > 0);
  CHECK(stats["seconds"]["prefill"] > 0.0);
  CHECK(stats["memory"]["peak_host_bytes"] > 0);
  CHECK(stats["memory"]["plan"].size() > 2);
}

TEST_CASE("a line too long to hold costs one row and little memory") {
  const TempDirectory dir;
  const std::string input = dir.write("in", "{\"prompt\":\"" + std::string(size_t{200} << 20, 'x') +
                                                "\"}\n{\"prompt\":\"good\"}\n");
  const EetResult result =
      generate(input, dir.file("out"), {"--max-num-seqs", "4", "--stats", dir.file("stats.json")});
  CHECK(result.exit_code == 3);
  const std::vector<json> rows = parse_lines(read_text(dir.file("out")));
  REQUIRE(rows.size() == 2);
  CHECK(rows[0]["error"]["code"] == "line_too_long");
  CHECK(rows[1]["error"].is_null());
}

TEST_CASE("what cannot be read is fatal and named") {
  const TempDirectory dir;
  const std::string good = dir.write("in", "{\"prompt\":\"a\"}");
  const auto check = [&](const EetResult& result, const std::string& message) {
    CHECK(result.exit_code == 1);
    CAPTURE(result.err);
    CHECK(contains(result.err, message));
  };
  check(generate(dir.file("none"), dir.file("out")), "none: cannot open the input: No such file");
  check(generate(dir.file(""), dir.file("out")), "got a directory");
  check(run_eet({"generate", "-m", dir.file("no-model"), "-i", good, "-o", dir.file("out")}),
        "no-model");
  CHECK_FALSE(std::filesystem::exists(dir.file("out")));
}

TEST_CASE("outputs that cannot be written are refused before the model is loaded") {
  const TempDirectory dir;
  const std::string input = dir.write("in", "{\"prompt\":\"a\"}");
  const auto check = [&](const EetResult& result, const std::string& message) {
    CHECK(result.exit_code == 1);
    CAPTURE(result.err);
    CHECK(contains(result.err, message));
    CHECK_FALSE(contains(result.err, "memory plan"));
  };
  check(generate(input, dir.file("")), "expected a file for the output, got a directory");
  check(generate(input, dir.file("none/out")), "none/out: cannot open the output");
  check(generate(input, input), "already in use");
  check(generate(input, dir.file("out"), {"--stats", dir.file("out")}), "already in use");
  const std::string locked = dir.write("locked", "precious");
  std::filesystem::permissions(locked, std::filesystem::perms::owner_read);
  check(generate(input, locked), "the output file is read-only");
  CHECK(read_text(input) == "{\"prompt\":\"a\"}");
  CHECK(read_text(locked) == "precious");
}

TEST_CASE("a full disk ends the job with its reason") {
  if (!std::filesystem::exists("/dev/full")) {
    MESSAGE("skipped: no /dev/full on this system");
    return;
  }
  const TempDirectory dir;
  const EetResult result = generate(dir.write("in", "{\"prompt\":\"a\"}"), "/dev/full");
  CHECK(result.exit_code == 1);
  CHECK(contains(result.err, "/dev/full: cannot write: No space left on device"));
}

TEST_CASE("what every command prints on a full disk is missed") {
  const std::string model = sample_model("tales-gpt2");
  const std::vector<std::string> commands = {"--help",          "--version", "devices",
                                             "completion bash", "man",       "generate --help",
                                             "inspect " + model};
  for (const std::string& command : commands) {
    CAPTURE(command);
    const std::string line = shell_quoted(EET_PROGRAM) + " " + command + " >/dev/full 2>/dev/null";
    const int status = std::system(line.c_str());
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 1);
  }
}

TEST_CASE("broken tokenizer files are fatal") {
  const TempDirectory dir;
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy_file(kModel + "/" + name, dir.file(name));
  }
  dir.write("tokenizer.model", "not a SentencePiece model");
  const EetResult result = run_eet({"generate", "-m", dir.file(""), "-i", "-", "--device", "cpu"});
  CHECK(result.exit_code == 1);
  CHECK(contains(result.err, "tokenizer.model"));
}

TEST_CASE("wrong usage ends with 2 and says why") {
  const auto check = [](const std::vector<std::string>& args, const std::string& message) {
    const EetResult result = run_eet(args);
    CAPTURE(result.err);
    CHECK(result.exit_code == 2);
    CHECK(contains(result.err, message));
    CHECK(result.out.empty());
  };
  check({}, "Usage: eet [OPTIONS] [SUBCOMMAND]");
  check({"conjure"}, "conjure");
  check({"generate"}, "--model is required");
  const auto flags = [](const std::vector<std::string>& more) {
    std::vector<std::string> args = {"generate", "-m", kModel, "-i", "/dev/null"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  };
  check(flags({"--frobnicate"}), "--frobnicate");
  check(flags({"--max-tokens", "many"}), "--max-tokens");
  check(flags({"--seed", "-1"}), "--seed");
  check(flags({"--seed", "18446744073709551616"}), "--seed");
  check(flags({"--device", "tpu"}), "expected auto, cpu, cuda or cuda:N");
  check(flags({"--device", "cuda:x"}), "expected auto, cpu, cuda or cuda:N");
  check(flags({"--dtype", "int3"}), "expected auto, fp32, fp16 or bf16");
  check(flags({"--prompt-policy", "lazy"}), "--prompt-policy");
  check(flags({"--schedule", "magic"}), "--schedule");
  check(flags({"--max-num-seqs", "0"}), "--max-num-seqs");
  check(flags({"--gpu-memory-utilization", "1.5"}), "--gpu-memory-utilization");
  check(flags({"--stop", ""}), "--stop");
  check(flags({"--temperature", "-1"}), "temperature: expected");
  check(flags({"--top-p", "nan"}), "top_p: expected");
}

TEST_CASE("help and version go to standard output with exit code 0") {
  const EetResult help = run_eet({"generate", "--help"});
  CHECK(help.exit_code == 0);
  for (const char* flag : {"--model",
                           "--input",
                           "--output",
                           "--device",
                           "--dtype",
                           "--max-num-seqs",
                           "--max-num-batched-tokens",
                           "--max-model-len",
                           "--gpu-memory-utilization",
                           "--threads",
                           "--schedule",
                           "--prompt-policy",
                           "--output-token-ids",
                           "--logprobs",
                           "--echo",
                           "--stats",
                           "--max-tokens",
                           "--max-new-tokens",
                           "--max-completion-tokens",
                           "--min-tokens",
                           "--temperature",
                           "--top-k",
                           "--top-p",
                           "--min-p",
                           "--repetition-penalty",
                           "--presence-penalty",
                           "--frequency-penalty",
                           "--seed",
                           "--stop",
                           "--stop-token-ids",
                           "--ignore-eos",
                           "Exit codes"}) {
    CAPTURE(flag);
    CHECK(contains(help.out, flag));
  }
  const EetResult version = run_eet({"--version"});
  CHECK(version.exit_code == 0);
  CHECK(version.out.starts_with("eet "));
}

TEST_CASE("asking for CUDA where there is none says what is missing") {
  if (EET_HAVE_CUDA && std::filesystem::exists("/dev/nvidiactl")) {
    MESSAGE("skipped: this machine has a GPU");
    return;
  }
  const TempDirectory dir;
  const EetResult result = run_eet({"generate", "-m", kModel, "-i", dir.write("in", ""), "-o",
                                    dir.file("out"), "--device", "cuda"});
  CAPTURE(result.err);
  CHECK(result.exit_code == 1);
  CHECK((contains(result.err, "CUDA") || contains(result.err, "NVIDIA")));
}

TEST_CASE("an output that is a pipe under another name is written as a stream") {
  const TempDirectory dir;
  const std::string job = shell_quoted(EET_PROGRAM) +
                          " generate -q --device cpu --max-tokens 1 -m " + shell_quoted(kModel) +
                          " -i " + shell_quoted(dir.write("in.jsonl", "{\"prompt\":\"a\"}\n")) +
                          " -o ";
  const std::string out = shell_quoted(dir.file("out"));
  const std::string tail = " | cat >" + out;
  for (const std::string& command :
       {job + "/dev/stdout" + tail, job + "/dev/fd/1" + tail, job + "/proc/self/fd/1" + tail,
        job + "/dev/fd/7 7>" + out,
        "echo kept >" + out + "; " + job + "/dev/stdout >>" + out + "; sed -i /kept/d " + out}) {
    CAPTURE(command);
    REQUIRE(std::system(command.c_str()) == 0);
    CHECK(parse_lines(read_text(dir.file("out"))).size() == 1);
    std::filesystem::remove(dir.file("out"));
  }
}

TEST_CASE("a job whose first rows all fail alike ends early, and its first error is told") {
  const TempDirectory dir;
  std::string rows;
  for (int i = 0; i < 300; ++i) rows += "{\"prompt\":\"a\",\"temprature\":1}\n";
  const std::string input = dir.write("in.jsonl", rows);
  const std::vector<std::string> job = {"generate", "-q", "-m", kModel,     "-i",
                                        input,      "-o", "-",  "--device", "cpu"};
  const EetResult ended = run_eet(job);
  CHECK(ended.exit_code == 1);
  CHECK(ended.err.find("first failed row: line 1: temprature: ") != std::string::npos);
  CHECK(ended.err.find("all of the first 200 rows failed with unknown_parameter") !=
        std::string::npos);
  std::vector<std::string> going = job;
  going.emplace_back("--keep-going");
  const EetResult whole = run_eet(going);
  CHECK(whole.exit_code == 3);
  CHECK(parse_lines(whole.out).size() == 300);
  // One good row among them shows that it is the rows and not the job.
  dir.write("in.jsonl", "{\"prompt\":\"a\",\"max_tokens\":1}\n" + rows);
  CHECK(run_eet(job).exit_code == 3);
}

}  // namespace
}  // namespace eet
