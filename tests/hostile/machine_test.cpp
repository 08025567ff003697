// Closed streams, and signals at bad moments.
#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <fstream>

#include "tests/hostile/small_job.h"

namespace eet {
namespace {

int exit_code_of(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_CASE("a standard stream that is closed is named where it is needed") {
  SmallJob job;
  job.input = "-";
  const std::string err = job.dir.file("err");
  CHECK(exit_code_of(job.command() + " <&- 2>" + err) == 1);
  CHECK(read_text(err) == "eet: error: standard input: cannot stat: Bad file descriptor\n");
  job.input = job.dir.file("in.jsonl");
  job.output = "-";
  CHECK(exit_code_of(job.command() + " >&- 2>" + err) == 1);
  CHECK(read_text(err) == "eet: error: standard output: cannot open: Bad file descriptor\n");
}

TEST_CASE("with all streams closed a job from file to file writes the same output") {
  const SmallJob open;
  CHECK(exit_code_of(open.command()) == 0);
  const SmallJob closed;
  CHECK(exit_code_of(closed.command() + " <&- >&- 2>&-") == 0);
  CHECK(read_text(closed.output) == read_text(open.output));
}

// Runs `command`, and sends it SIGTERM after `delay` seconds unless it ends before. Gives the
// seconds that it took from then on.
double seconds_after_sigterm(const TempDirectory& dir, const std::string& command,
                             const char* delay, int& code) {
  const std::string times_file = dir.file("times");
  code = exit_code_of(command + " >/dev/null 2>" + dir.file("err") + " & p=$!; sleep " + delay +
                      "; kill -TERM $p; date +%s%N >" + times_file +
                      "; wait $p; c=$?; date +%s%N >>" + times_file + "; exit $c");
  const std::string times = read_text(times_file);
  const size_t line = times.find('\n');
  return (std::stod(times.substr(line + 1)) - std::stod(times)) * 1e-9;
}

// Copies a safetensors file, and puts a token embedding of `vocab_size` rows of zeros, none of
// which takes room on the disk, in place of its own.
void grow_embedding(const std::string& from, const std::string& to, int64_t vocab_size) {
  const std::string file = read_text(from);
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  nlohmann::json header = nlohmann::json::parse(file.substr(sizeof length, length));
  nlohmann::json& embedding = header["model.embed_tokens.weight"];
  const std::string others = file.substr(sizeof length + length);
  const int64_t end = static_cast<int64_t>(others.size());
  const int64_t begin = embedding["data_offsets"][0];
  const int64_t size = embedding["data_offsets"][1].get<int64_t>() - begin;
  // The other tensors move up, and the embedding comes last.
  for (auto& [name, tensor] : header.items()) {
    if (name == "__metadata__" || tensor["data_offsets"][0] < begin) continue;
    for (auto& offset : tensor["data_offsets"]) offset = offset.get<int64_t>() - size;
  }
  const int64_t hidden = embedding["shape"][1];
  const int64_t bytes =
      vocab_size * hidden * (size / hidden / embedding["shape"][0].get<int64_t>());
  embedding["shape"][0] = vocab_size;
  embedding["data_offsets"] = {end - size, end - size + bytes};
  const std::string text = header.dump();
  const uint64_t text_bytes = text.size();
  std::ofstream(to, std::ios::binary)
      << std::string(reinterpret_cast<const char*>(&text_bytes), sizeof text_bytes) << text
      << others.substr(0, static_cast<size_t>(begin))
      << others.substr(static_cast<size_t>(begin + size));
  std::filesystem::resize_file(
      to, sizeof text_bytes + text.size() + static_cast<uint64_t>(end - size + bytes));
}

void check_ends_soon(const TempDirectory& dir, const std::string& command, const char* delay) {
  int code = 0;
  constexpr double kMaxSeconds = 2.5;  // one, and what a busy machine adds
  CHECK(seconds_after_sigterm(dir, command, delay, code) < kMaxSeconds);
  const std::string err = read_text(dir.file("err"));
  CAPTURE(err);
  CHECK((code == 143 || code == 0 || code == 3));  // quick machines finish first
}

TEST_CASE("SIGTERM ends a job within a second while a template renders") {
  SmallJob job;
  const std::string model = job.copy_model("tales-gpt2");
  // Takes some seconds and stays within its budget.
  job.dir.write("model/chat_template.jinja",
                "{% for i in range(2000) %}{% for j in range(1000) %}"
                "{% set x = messages[0].content == messages[0].content %}"
                "{% endfor %}{% endfor %}{{ messages[0].content }}");
  std::string rows;
  for (int i = 0; i < 20; ++i)
    rows += R"({"messages":[{"role":"user","content":"hi"}]})"
            "\n";
  job.dir.write("in.jsonl", rows);
  check_ends_soon(job.dir, job.command(), "1");
}

TEST_CASE("SIGTERM ends a job within a second while a text is tokenized") {
  SmallJob job;
  const std::string model = job.copy_model("tales-gpt2");
  nlohmann::json tokenizer = nlohmann::json::parse(read_text(model + "/tokenizer.json"));
  tokenizer["pre_tokenizer"] = {{"type", "Split"},
                                {"pattern", {{"Regex", "(a*)*b"}}},
                                {"behavior", "Isolated"},
                                {"invert", false}};
  job.dir.write("model/tokenizer.json", tokenizer.dump());
  std::string rows;
  for (int i = 0; i < 20; ++i) {
    rows += nlohmann::json({{"prompt", std::string(3000, 'a')}}).dump() + "\n";
  }
  job.dir.write("in.jsonl", rows);
  check_ends_soon(job.dir, job.command(), "1");
}

// A file of safetensors with one tensor of `bytes`, none of which takes room on the disk.
void write_sparse_tensor(const std::string& path, const std::string& name, uint64_t bytes) {
  const std::string header = "{\"" + name + R"(":{"dtype":"U8","shape":[)" + std::to_string(bytes) +
                             R"(],"data_offsets":[0,)" + std::to_string(bytes) + "]}}";
  const uint64_t length = header.size();
  std::ofstream(path, std::ios::binary)
      << std::string(reinterpret_cast<const char*>(&length), sizeof length) << header;
  std::filesystem::resize_file(path, sizeof length + header.size() + bytes);
}

TEST_CASE("SIGTERM ends a job within a second while its model is hashed") {
  SmallJob job;
  const std::string model = job.copy_model("tales-gpt2");
  std::filesystem::rename(model + "/model.safetensors", model + "/weights.safetensors");
  write_sparse_tensor(model + "/more.safetensors", "h.0.attn.bias", uint64_t{16} << 30);
  job.dir.write("model/model.safetensors.index.json",
                R"({"weight_map":{"a":"weights.safetensors","b":"more.safetensors"}})");
  check_ends_soon(job.dir, job.command(), "1");
  CHECK_FALSE(std::filesystem::exists(job.output));
}

TEST_CASE("SIGTERM ends a job within a second while a tokenizer loads") {
  SmallJob job;
  const std::string model = job.copy_model("tales-gpt2");
  nlohmann::json tokenizer = nlohmann::json::parse(read_text(model + "/tokenizer.json"));
  for (int i = 0; i < 300'000; ++i) {
    tokenizer["added_tokens"].push_back(
        {{"id", 2048 + i}, {"content", "<token " + std::to_string(i) + ">"}});
  }
  job.dir.write("model/tokenizer.json", tokenizer.dump());
  check_ends_soon(job.dir, job.command(), "0.2");
}

TEST_CASE("SIGTERM ends a conversion within a second, and the next one is not in its way") {
  const TempDirectory dir;
  const std::string convert = shell_quoted(EET_PROGRAM) + " convert ";
  const std::string to = " " + shell_quoted(dir.file("out"));
  // A model of 128 MB of zeros.
  nlohmann::json config =
      nlohmann::json::parse(read_text(sample_model("tales-llama") + "/config.json"));
  constexpr int64_t kVocabSize = 1 << 18;
  config["vocab_size"] = kVocabSize;
  std::filesystem::create_directory(dir.file("large"));
  dir.write("large/config.json", config.dump());
  grow_embedding(sample_model("tales-llama") + "/model.safetensors",
                 dir.file("large/model.safetensors"), kVocabSize);
  check_ends_soon(dir, convert + shell_quoted(dir.file("large")) + to, "0.3");
  std::filesystem::remove_all(dir.file("out"));  // of quick machines
  CHECK(exit_code_of(convert + shell_quoted(sample_model("tales-llama")) + to + " 2>/dev/null") ==
        0);
  for (const auto& entry : std::filesystem::directory_iterator(dir.file(""))) {
    CHECK(entry.path().filename().string().find("partial") == std::string::npos);
  }
}

// Runs `command` in a shell, and gives what it says on stderr.
std::string stderr_of(const TempDirectory& dir, const std::string& command) {
  static_cast<void>(std::system(("(" + command + ") >/dev/null 2>" + dir.file("err")).c_str()));
  return read_text(dir.file("err"));
}

TEST_CASE("a limit on open files is told with its remedy, wherever it is met") {
#if defined(__SANITIZE_ADDRESS__)
  MESSAGE("skipped: the sanitizers' checks of types need descriptors of their own");
  return;
#endif
  const SmallJob job;
  bool is_enough = false;
  for (int limit = 6; limit <= 24 && !is_enough; ++limit) {
    const std::string err = stderr_of(
        job.dir, "ulimit -n " + std::to_string(limit) + "; exec " + job.command({"--overwrite"}));
    CAPTURE(limit);
    CAPTURE(err);
    is_enough = err.empty();
    CHECK((is_enough ||
           err.find("Too many open files; allow more open files (ulimit -n 256)") !=
               std::string::npos ||
           err.find("error while loading shared libraries") != std::string::npos));
  }
  CHECK(is_enough);
}

TEST_CASE("a limit on threads is told with its remedy, wherever it is met") {
#if defined(__SANITIZE_ADDRESS__)
  MESSAGE("skipped: the sanitizers take more addresses than the limit leaves");
  return;
#endif
  SmallJob job;
  const auto run_in_small_space = [&job](const std::string& threads) {
    job.threads = threads;
    return stderr_of(job.dir, "ulimit -v 1000000; exec " + job.command({"--overwrite"}));
  };
  CHECK(run_in_small_space("2").empty());
  const std::string err = run_in_small_space("1000");  // there is no room for so many stacks
  CAPTURE(err);
  CHECK(err.find("allow more processes (ulimit -u") != std::string::npos);
}

TEST_CASE("a current directory that was removed is told") {
  SmallJob job;
  const std::string gone = shell_quoted(job.dir.file("gone"));
  const std::string inside = "mkdir " + gone + " && cd " + gone + " && rmdir " + gone + " && exec ";
  job.output = "relative.jsonl";
  const std::string err = stderr_of(job.dir, inside + job.command());
  CAPTURE(err);
  CHECK(err.starts_with("eet: error: relative.jsonl: No such file or directory; "));
  CHECK(err.ends_with("the current directory was removed: change to one that exists (cd)\n"));
  job.output = job.dir.file("out.jsonl");
  CHECK(stderr_of(job.dir, inside + job.command()).find("error") == std::string::npos);
}

}  // namespace
}  // namespace eet
