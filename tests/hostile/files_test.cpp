// Models whose files are no files, or made to cost time and memory.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdint>

#include "tests/hostile/small_job.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

TEST_CASE("a pipe or a device in the place of a model's file is refused at once") {
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json",
                           "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                           "chat_template.jinja", "generation_config.json"}) {
    for (const bool is_pipe : {true, false}) {
      CAPTURE(name);
      CAPTURE(is_pipe);
      SmallJob job;
      const std::string file = job.copy_model("tales-gpt2") + "/" + name;
      fs::remove(file);
      if (is_pipe) {
        ::mkfifo(file.c_str(), 0666);
      } else {
        fs::create_symlink("/dev/zero", file);
      }
      const EetResult result = job.run();
      CHECK(result.exit_code == 1);
      CHECK(says(result, "expected a regular file"));
    }
  }
}

TEST_CASE("a pipe or a device in the place of recorded lengths is refused at once") {
  const SmallJob job;
  const std::string pipe = job.dir.file("lengths.csv");
  ::mkfifo(pipe.c_str(), 0666);
  for (const std::string& file : {pipe, std::string("/dev/zero")}) {
    const EetResult result =
        run_eet({"bench", "-m", job.model, "--device", "cpu", "--lengths", file});
    CHECK(result.exit_code == 1);
    CHECK(says(result, "expected a regular file"));
  }
}

TEST_CASE("values of generation_config.json that no row could have are the file's fault") {
  for (const char* values :
       {R"({"temperature":1e300})", R"({"max_new_tokens":0})", R"({"repetition_penalty":-1})",
        R"({"top_k":-5})", R"({"temperature":NaN})", R"({"top_p":Infinity})"}) {
    CAPTURE(values);
    SmallJob job;
    job.copy_model("tales-gpt2");
    job.dir.write("model/generation_config.json", values);
    const EetResult result = job.run();
    CHECK(result.exit_code == 1);
    CHECK(says(result, "generation_config.json: "));
    CHECK(job.run({"--generation-config", "none"}).exit_code == 0);
  }
}

TEST_CASE("numbers that only Python's JSON has matter where they are used") {
  SmallJob job;
  const std::string config = job.copy_model("tales-gpt2") + "/config.json";
  const std::string epsilon = "\"layer_norm_epsilon\": 1e-05";
  const std::string text = read_text(config);
  REQUIRE(text.find(epsilon) != std::string::npos);
  const auto run_with = [&](const std::string& members) {
    std::string changed = text;
    job.dir.write("model/config.json",
                  changed.replace(text.find(epsilon), epsilon.size(), members));
    return job.run({"--overwrite"});
  };
  const EetResult unused = run_with(epsilon + R"(, "time_step_limit": [0.0, Infinity])");
  CAPTURE(unused.err);
  CHECK(unused.exit_code == 0);
  CHECK(says(unused, "ignored: time_step_limit"));
  const EetResult used = run_with(R"("layer_norm_epsilon": -Infinity)");
  CHECK(used.exit_code == 1);
  CHECK(says(used, "config.json: layer_norm_epsilon: expected a number, got -Infinity"));
}

TEST_CASE("a link out of the model's folder is refused") {
  SmallJob job;
  const std::string file = job.copy_model("tales-gpt2") + "/tokenizer.json";
  fs::rename(file, job.dir.file("elsewhere.json"));
  fs::create_symlink("../elsewhere.json", file);
  const EetResult result = job.run();
  CHECK(result.exit_code == 1);
  CHECK(says(result, "which is outside"));
}

TEST_CASE("a model in Hugging Face's cache runs") {
  SmallJob job;
  const fs::path model = job.dir.file("hub/models--eet--tales");
  const fs::path snapshot = model / "snapshots" / "abc";
  fs::create_directories(snapshot);
  fs::copy(sample_model("tales-gpt2"), model / "blobs");
  for (const fs::directory_entry& blob : fs::directory_iterator(model / "blobs")) {
    const fs::path name = blob.path().filename();
    fs::create_symlink(fs::path("../../blobs") / name, snapshot / name);
  }
  job.model = snapshot.string();
  CHECK(job.run().exit_code == 0);
}

TEST_CASE("a model of billions of layers is refused before they are made") {
  for (const char* name : {"tales-llama", "tales-gpt2"}) {
    const TempDirectory dir;
    const std::string config = sample_model(name) + "/config.json";
    nlohmann::json changed = nlohmann::json::parse(read_text(config));
    changed[changed.contains("n_layer") ? "n_layer" : "num_hidden_layers"] = 2'147'483'647;
    fs::copy(sample_model(name), dir.file("model"));
    fs::remove(dir.file("model/config.json"));
    dir.write("model/config.json", changed.dump());
    const EetResult result = run_eet({"inspect", dir.file("model")});
    CHECK(result.exit_code == 1);
    CHECK(says(result, "1024"));
  }
}

TEST_CASE("a header of very many names is refused in no time") {
  SmallJob job;
  const std::string model = job.copy_model("tales-gpt2");
  std::string header = "{";
  for (int i = 0; i < 250'000; ++i) header += "\"t" + std::to_string(i) + "\":{},";
  header.back() = '}';
  const uint64_t size = header.size();
  const std::string length(reinterpret_cast<const char*>(&size), sizeof size);
  fs::remove(model + "/model.safetensors");
  job.dir.write("model/model.safetensors", length + header);
  const EetResult result = run_eet({"inspect", model});
  CHECK(result.exit_code == 1);
  CHECK(says(result, "dtype is missing"));
}

}  // namespace
}  // namespace eet
