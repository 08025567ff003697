#include "weights_tools/converter.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "tests/weights_tools/test_files.h"
#include "weights_tools/eet_config.h"
#include "weights_tools/formats/safetensors.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

// Names in a directory, hidden ones included, sorted.
std::vector<std::string> entries(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string conversion_message(const fs::path& source, const fs::path& destination,
                               ConvertOptions options = {}) {
  options.source = source;
  return message_of([&] { convert(open_checkpoint(source), destination, options); });
}

TEST_CASE("a converted model opens as the same configuration and the same tensors") {
  const TempDirectory directory;
  for (const char* name : {"tales-llama", "tales-gpt2"}) {
    CAPTURE(name);
    const fs::path source = sample_model(name);
    REQUIRE(conversion_message(source, directory / name) == "no error");
    const Checkpoint before = open_checkpoint(source);
    const Checkpoint after = open_checkpoint(directory / name);
    CHECK(after.format == "eet");
    CHECK(differing_tensors(before, after).empty());
    CHECK(format_eet_config(before.config) == format_eet_config(after.config));
  }
}

TEST_CASE("every tensor of a converted model is given in place, aligned for its type") {
  const TempDirectory directory;
  REQUIRE(conversion_message(sample_model("tales-gpt2"), directory / "x") == "no error");
  const Checkpoint checkpoint = open_checkpoint(directory / "x");
  for (const CheckpointTensor& tensor : checkpoint.tensors) {
    const HostTensor loaded = checkpoint.loader(tensor.spec);
    REQUIRE(loaded.pieces.size() == 1);
    const void* data = loaded.pieces[0].data;
    CHECK(data == checkpoint.loader(tensor.spec).pieces[0].data);
    CHECK(reinterpret_cast<uintptr_t>(data) % dtype_size(loaded.dtype) == 0);
  }
}

TEST_CASE("every way to describe RoPE, biases and token ids survives a conversion") {
  ModelConfig config = open_checkpoint(sample_model("tales-llama")).config;
  AttentionConfig& attention = config.layer_kinds[0].attention;
  attention.rope.rotary_dim = 32;
  attention.rope.theta = 500000.0;
  attention.rope.scaling = RopeConfig::Scaling::kLlama3;
  attention.rope.original_max_position_embeddings = 4096;
  attention.rope.long_factors = {1.5, 2.25};
  attention.qkv_bias = true;
  config.bos_token_id.reset();
  config.eos_token_ids = {2, 7, 9};
  config.norm.eps = 1.2345678901234567e-6;
  config.layer_kinds[0].mlp.activation = Activation::kGeluErf;
  const TempDirectory directory;
  write_file(directory / "eet.json", format_eet_config(config));
  const ModelConfig read = read_eet_config(directory / "eet.json");
  CHECK(format_eet_config(read) == format_eet_config(config));
  CHECK(read.attention().rope.scaling == RopeConfig::Scaling::kLlama3);
  CHECK(read.attention().rope.original_max_position_embeddings == 4096);
  CHECK(read.norm.eps == config.norm.eps);
  CHECK(read.eos_token_ids == config.eos_token_ids);
  CHECK_FALSE(read.bos_token_id.has_value());
}

TEST_CASE("eet.json is read strictly") {
  const TempDirectory directory;
  const auto good =
      nlohmann::json::parse(format_eet_config(open_checkpoint(sample_model("tales-llama")).config));
  const auto message_with = [&](const char* key, const nlohmann::json& value) {
    nlohmann::json json = good;
    json[key] = value;
    write_file(directory / "eet.json", json.dump());
    return message_of([&] { read_model_config(directory.path()); });
  };
  CHECK(message_with("vocab_size", 2048) == "no error");
  CHECK(contains(message_with("format_version", 2), "eet.json: format_version: expected 3"));
  CHECK(contains(message_with("new_key", 1), "eet.json: new_key: unknown key"));
  CHECK(contains(message_with("dtype", "int8"), "dtype: expected one of fp32"));
  CHECK(contains(message_with("hidden_size", nullptr), "hidden_size: missing"));
  CHECK(contains(message_with("eos_token_ids", 2), "eos_token_ids: expected a list"));
  CHECK(contains(message_with("eos_token_ids", {4096}), "eos_token_ids: expected an id below"));
  nlohmann::json kinds = good["layer_kinds"];
  kinds[0]["attention"]["head_dim"] = 12;
  CHECK(
      contains(message_with("layer_kinds", kinds), "eet.json: head_dim: expected a multiple of 8"));
  kinds[0]["attention"].erase("head_dim");
  CHECK(contains(message_with("layer_kinds", kinds), "layer_kinds[0].attention.head_dim: missing"));
}

TEST_CASE("--dtype converts every tensor and is the dtype of the converted model") {
  const TempDirectory directory;
  ConvertOptions options;
  options.dtype = DType::kF32;
  REQUIRE(conversion_message(sample_model("tales-llama"), directory / "x", options) == "no error");
  const Checkpoint before = open_checkpoint(sample_model("tales-llama"));
  const Checkpoint after = open_checkpoint(directory / "x");
  CHECK(after.config.dtype == DType::kF32);
  for (const CheckpointTensor& tensor : before.tensors) {
    const std::string narrow = tensor_bytes(before, tensor.spec);
    const std::string wide = tensor_bytes(after, tensor.spec);
    REQUIRE(wide.size() == 2 * narrow.size());
    std::string upper_halves;  // a bfloat16 is the upper half of its float
    for (size_t i = 0; i < wide.size(); i += 4) upper_halves += wide.substr(i + 2, 2);
    CHECK(upper_halves == narrow);
  }
}

TEST_CASE("a weight that overflows fp16 is refused by tensor and value") {
  const TempDirectory directory;
  write_model(directory / "model", tiny_llama_config(), tiny_llama_tensors());
  std::string bytes = read_file(directory / "model/model.safetensors");
  const float large = 70000.0F;
  std::memcpy(bytes.data() + bytes.size() - sizeof(large), &large, sizeof(large));
  write_file(directory / "model/model.safetensors", bytes);
  ConvertOptions options;
  options.dtype = DType::kF16;
  const std::string message = conversion_message(directory / "model", directory / "x", options);
  CHECK(contains(message, "layers.1.mlp_down.weight: 70000 does not fit fp16"));
  CHECK(entries(directory.path()) == std::vector<std::string>{"model"});
}

TEST_CASE("an existing destination is refused without force and replaced with it") {
  const TempDirectory directory;
  const fs::path source = sample_model("tales-gpt2");
  REQUIRE(conversion_message(source, directory / "x") == "no error");
  write_file(directory / "x" / "added_tokens.json", "old");
  CHECK(contains(conversion_message(source, directory / "x"), "exists; use --force"));
  CHECK(fs::exists(directory / "x" / "added_tokens.json"));
  ConvertOptions options;
  options.force = true;
  CHECK(conversion_message(source, directory / "x/", options) == "no error");
  CHECK_FALSE(fs::exists(directory / "x" / "added_tokens.json"));
  CHECK(entries(directory.path()) == std::vector<std::string>{"x"});
  CHECK(open_checkpoint(directory / "x").format == "eet");
}

TEST_CASE("what a killed conversion left behind goes with the next, and a running one's stays") {
  const TempDirectory directory;
  const fs::path source = sample_model("tales-gpt2");
  for (const char* name : {".x.partial-1-0", ".x.partial-2-0", ".y.partial-1-0"}) {
    fs::create_directory(directory / name);
  }
  write_file(directory / ".x.partial-1-0" / "model.safetensors", "half");
  write_file(directory / ".x.partial-2-0" / "model.safetensors", "half");
  write_file(directory / ".y.partial-1-0" / "model.safetensors", "of another");
  const int running = ::open((directory / ".x.partial-2-0").c_str(), O_RDONLY | O_DIRECTORY);
  REQUIRE(::flock(running, LOCK_EX) == 0);
  REQUIRE(conversion_message(source, directory / "x") == "no error");
  ::close(running);
  CHECK(entries(directory.path()) ==
        std::vector<std::string>{".x.partial-2-0", ".y.partial-1-0", "x"});
}

TEST_CASE("force replaces only what a conversion wrote, and never the source or what holds it") {
  const TempDirectory directory;
  ConvertOptions options;
  options.force = true;
  const fs::path source = sample_model("tales-gpt2");
  fs::create_directory(directory / "photos");
  write_file(directory / "photos" / "one", "x");
  CHECK(contains(conversion_message(source, directory / "photos", options),
                 "was not written by eet convert"));
  write_file(directory / "photos" / "eet.json", "{}");
  CHECK(contains(conversion_message(source, directory / "photos", options), "holds one"));
  CHECK(fs::exists(directory / "photos" / "one"));
  write_file(directory / "file", "x");
  CHECK(contains(conversion_message(source, directory / "file", options), "is no directory"));
  write_model(directory / "outer" / "model", tiny_llama_config(), tiny_llama_tensors());
  write_file(directory / "outer" / "config.json", "{}");
  for (const char* name : {"outer", "outer/model", "outer/model/../../outer"}) {
    CHECK(contains(conversion_message(directory / "outer/model", directory / name, options),
                   "would replace the model that is being converted"));
  }
  CHECK(fs::exists(directory / "outer" / "model" / "model.safetensors"));
  fs::create_directory(directory / "empty");
  CHECK(conversion_message(source, directory / "empty", options) == "no error");
}

TEST_CASE("a conversion that fails leaves nothing behind and the old model in place") {
  const TempDirectory directory;
  const fs::path source = sample_model("tales-gpt2");
  REQUIRE(conversion_message(source, directory / "x") == "no error");
  const std::string before = read_file(directory / "x/model.safetensors");
  ConvertOptions options;
  options.force = true;
  SUBCASE("interrupted") {
    int asked = 0;
    options.interrupted = [&] { return ++asked > 3; };
    CHECK(contains(conversion_message(source, directory / "x", options), "interrupted"));
  }
  SUBCASE("a tokenizer file that cannot be read") {
    options.tokenizer_files = {directory / "missing.json"};
    CHECK(contains(conversion_message(source, directory / "x", options), "cannot open"));
  }
  SUBCASE("no space for the file") {
    // A limit on the size of files stands for a full disk: the same failing write.
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit old_limit = {};
    ::getrlimit(RLIMIT_FSIZE, &old_limit);
    const rlimit small = {100'000, old_limit.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    const std::string message = conversion_message(source, directory / "x", options);
    ::setrlimit(RLIMIT_FSIZE, &old_limit);
    std::signal(SIGXFSZ, old_handler);
    CHECK(contains(
        message,
        "model.safetensors: cannot write: File too large; allow larger files (ulimit -f)"));
  }
  CHECK(read_file(directory / "x/model.safetensors") == before);
  CHECK(entries(directory.path()) == std::vector<std::string>{"x"});
}

TEST_CASE("a destination that cannot be created is refused with the reason") {
  const TempDirectory directory;
  const fs::path source = sample_model("tales-gpt2");
  CHECK(contains(conversion_message(source, directory / "no" / "x"), "no: no such directory"));
  if (::geteuid() == 0) return;  // root writes anywhere
  fs::permissions(directory.path(), fs::perms::owner_read | fs::perms::owner_exec);
  CHECK(contains(conversion_message(source, directory / "x"), "Permission denied"));
  fs::permissions(directory.path(), fs::perms::owner_all);
}

TEST_CASE("tokenizer files are copied, and a SentencePiece model gets the name looked for") {
  const TempDirectory directory;
  write_file(directory / "tok512.model", "model");
  write_file(directory / "tokenizer_config.json", "{}");
  ConvertOptions options;
  options.tokenizer_files = {directory / "tok512.model", directory / "tokenizer_config.json"};
  REQUIRE(conversion_message(sample_model("tales-gpt2"), directory / "x", options) == "no error");
  CHECK(read_file(directory / "x/tokenizer.model") == "model");
  CHECK(read_file(directory / "x/tokenizer_config.json") == "{}");
  CHECK(open_checkpoint(directory / "x").tokenizer_directory == directory / "x");
}

TEST_CASE("llama2.c files convert to the tensors of the Hugging Face form") {
  const fs::path source = shared_model("llama-stories260k");
  if (source.empty()) return;
  const TempDirectory directory;
  REQUIRE(conversion_message(source / "stories260K.bin", directory / "x") == "no error");
  CHECK(
      differing_tensors(open_checkpoint(directory / "x"), open_checkpoint(source / "hf")).empty());
}

TEST_CASE("a damaged converted model is refused") {
  const TempDirectory directory;
  REQUIRE(conversion_message(sample_model("tales-gpt2"), directory / "x") == "no error");
  const std::string whole = read_file(directory / "x/model.safetensors");
  write_file(directory / "x/model.safetensors", whole.substr(0, whole.size() / 2));
  CHECK(contains(message_of([&] { open_checkpoint(directory / "x"); }), "may be truncated"));
}

}  // namespace
}  // namespace eet
