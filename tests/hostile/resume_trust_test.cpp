// What --resume believes: only what holds for the job that it goes on with.
#include <doctest/doctest.h>

#include <fstream>

#include "tests/hostile/small_job.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

int served_rows(const SmallJob& job, const std::vector<std::string>& more = {}) {
  std::vector<std::string> flags = {"--resume", "--keep-journal", "--stats", job.dir.file("stats")};
  flags.insert(flags.end(), more.begin(), more.end());
  const EetResult result = job.run(flags);
  CAPTURE(result.err);
  CHECK((result.exit_code == 0 || result.exit_code == 3));
  return nlohmann::json::parse(read_text(job.dir.file("stats")))["resumed"]["served"];
}

void overwrite(const std::string& path, uint64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

TEST_CASE("a change of any byte of the weights, with the old time of change, is seen") {
  SmallJob job;
  const std::string weights = job.copy_model("tales-gpt2") + "/model.safetensors";
  CHECK(job.run({"--keep-journal"}).exit_code == 0);
  CHECK(served_rows(job) == 1);
  const uint64_t size = fs::file_size(weights);
  const fs::file_time_type time = fs::last_write_time(weights);
  for (const uint64_t offset : {size - 2, size / 2, size - size / 7}) {
    CAPTURE(offset);
    overwrite(weights, offset, std::string(1, static_cast<char>(offset % 64)));
    fs::last_write_time(weights, time);
    CHECK(served_rows(job) == 0);
    CHECK(served_rows(job) == 1);
  }
}

TEST_CASE("a model that is read without one of its keys is another model") {
  SmallJob job;
  const std::string config = job.copy_model("tales-gpt2") + "/config.json";
  nlohmann::json keys = nlohmann::json::parse(read_text(config));
  keys["layer_norm_epsilon"] = 0.5;
  std::ofstream(config) << keys.dump();
  CHECK(job.run({"--keep-journal"}).exit_code == 0);
  const std::vector<std::string> ignored = {"--ignore-config", "layer_norm_epsilon"};
  CHECK(served_rows(job, ignored) == 0);
  CHECK(served_rows(job, ignored) == 1);
  CHECK(served_rows(job) == 0);
}

TEST_CASE("shards that were rendered with different templates are not joined") {
  SmallJob job;
  job.copy_model("tales-gpt2");
  const std::string row = R"({"messages":[{"role":"user","content":"hi"}],"max_tokens":2})";
  job.dir.write("in.jsonl", row + "\n" + row + "\n");
  const std::string first = job.dir.file("0.jsonl");
  const std::string second = job.dir.file("1.jsonl");
  const auto run_shard = [&](const std::string& shard, const std::string& output,
                             const std::string& source) {
    job.output = output;
    const std::string file = job.dir.write("t.jinja", source);
    CHECK(job.run({"--overwrite", "--shard", shard, "--chat-template", file}).exit_code == 0);
  };
  const auto merged = [&] {
    return run_eet({"merge", "-o", job.dir.file("all.jsonl"), first, second});
  };
  run_shard("0/2", first, "a {{ messages[0].content }}");
  run_shard("1/2", second, "b {{ messages[0].content }}");
  CHECK(says(merged(), "expected shards of one job"));
  run_shard("1/2", second, "a {{ messages[0].content }}");
  CHECK(merged().exit_code == 0);
}

TEST_CASE("of the weights beside a model those that are read count, in folders below it too") {
  SmallJob job;
  const std::string model = job.copy_model("tales-gpt2");
  job.dir.write("model/other.safetensors", "a backup, or another format's");
  CHECK(job.run({"--keep-journal"}).exit_code == 0);
  job.dir.write("model/other.safetensors", "changed");
  CHECK(served_rows(job) == 1);
  fs::create_directory(model + "/shards");
  fs::rename(model + "/model.safetensors", model + "/shards/1.safetensors");
  job.dir.write("model/model.safetensors.index.json",
                R"({"weight_map":{"a":"shards/1.safetensors"}})");
  served_rows(job);
  CHECK(served_rows(job) == 1);
  overwrite(model + "/shards/1.safetensors", fs::file_size(model + "/shards/1.safetensors") - 2,
            "x");
  CHECK(served_rows(job) == 0);
}

TEST_CASE("a job that is resumed renders its templates with the time of its first start") {
  SmallJob job;
  job.copy_model("tales-gpt2");
  job.dir.write("model/chat_template.jinja",
                R"({{ strftime_now("%H:%M:%S") }} {{ messages[0]["content"] }})");
  job.dir.write("in.jsonl", R"({"messages":[{"role":"user","content":"hi"}],"max_tokens":2})"
                            "\n");
  CHECK(job.run({"--keep-journal", "--echo"}).exit_code == 0);
  const std::string first = read_text(job.output);
  CHECK(std::system("sleep 1.1") == 0);
  CHECK(served_rows(job, {"--echo"}) == 1);
  CHECK(read_text(job.output) == first);
  CHECK(job.run({"--overwrite", "--echo"}).exit_code == 0);
  CHECK(read_text(job.output) != first);
}

TEST_CASE("the message of a failed row names the line of the run that serves it") {
  SmallJob job;
  const std::string weights = job.copy_model("tales-gpt2") + "/model.safetensors";
  const uint64_t size = fs::file_size(weights);
  overwrite(weights, size / 2, std::string(size - size / 2, '\xFF'));  // not a number
  CHECK(job.run({"--keep-journal"}).exit_code == 3);
  CHECK(read_text(job.output).find("\"line 1: the model's logits") != std::string::npos);
  CHECK(served_rows(job) == 1);
  job.dir.write("in.jsonl", "\n\n" + read_text(job.input));
  CHECK(served_rows(job) == 0);
  CHECK(read_text(job.output).find("\"line 3: the model's logits") != std::string::npos);
}

}  // namespace
}  // namespace eet
