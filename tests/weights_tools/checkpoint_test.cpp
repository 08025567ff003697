#include "weights_tools/checkpoint.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "tests/weights_tools/test_files.h"
#include "weights_tools/formats/safetensors.h"

namespace eet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

NamedShape& tensor_named(std::vector<NamedShape>& tensors, const std::string& name) {
  return *std::find_if(tensors.begin(), tensors.end(),
                       [&](const NamedShape& tensor) { return tensor.name == name; });
}

// What opening a model with these files says.
std::string message_for(const json& config, const std::vector<NamedShape>& tensors) {
  const TempDirectory directory;
  write_model(directory.path(), config, tensors);
  return message_of([&] { open_checkpoint(directory.path()); });
}

std::vector<float> stored_floats(const StoredTensor& tensor) {
  size_t count = 1;
  for (int64_t dim : tensor.shape) count *= static_cast<size_t>(dim);
  std::vector<float> values(count);
  std::memcpy(values.data(), tensor.data, count * sizeof(float));
  return values;
}

std::vector<float> canonical_floats(const Checkpoint& checkpoint, const TensorSpec& spec) {
  const std::string bytes = tensor_bytes(checkpoint, spec);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TEST_CASE("a folder without weights that can be read says that a .gguf file is given itself") {
  const TempDirectory directory;
  write_file(directory / "model.gguf", "GGUF");
  const auto message = [&] { return message_of([&] { open_checkpoint(directory.path()); }); };
  CHECK(contains(message(), "or config.json (Hugging Face); give a .gguf file itself"));
  const json config = {{"model_type", "gpt2"}, {"vocab_size", 8}, {"n_positions", 8},
                       {"n_embd", 8},          {"n_layer", 1},    {"n_head", 1}};
  write_file(directory / "config.json", config.dump());
  CHECK(contains(message(), "expected model.safetensors or model.safetensors.index.json"));
  CHECK(contains(message(), "give a .gguf file itself"));
}

TEST_CASE("q, k and v, and gate and up, follow each other in the fused tensors of LLaMA") {
  const TempDirectory directory;
  write_model(directory.path(), tiny_llama_config(), tiny_llama_tensors());
  const Checkpoint checkpoint = open_checkpoint(directory.path());
  const StoredTensors stored = read_safetensors(directory / "model.safetensors");
  const std::string layer = "model.layers.1.";
  const auto joined = [&](const std::vector<std::string>& names) {
    std::vector<float> values;
    for (const std::string& name : names) {
      const std::vector<float> part = stored_floats(stored.at(layer + name));
      values.insert(values.end(), part.begin(), part.end());
    }
    return values;
  };
  CHECK(canonical_floats(checkpoint, spec_of(TensorId::kQkv, {32, 16}, 1)) ==
        joined({"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"}));
  CHECK(canonical_floats(checkpoint, spec_of(TensorId::kMlpUp, {48, 16}, 1)) ==
        joined({"mlp.gate_proj.weight", "mlp.up_proj.weight"}));
  CHECK(canonical_floats(checkpoint, spec_of(TensorId::kMlpDown, {16, 24}, 1)) ==
        joined({"mlp.down_proj.weight"}));
  CHECK(checkpoint.file_bytes ==
        static_cast<int64_t>(fs::file_size(directory / "model.safetensors")));
}

TEST_CASE("the Conv1D weights of GPT-2 come out transposed, its biases as they are") {
  const TempDirectory directory;
  write_model(directory.path(), tiny_gpt2_config(), tiny_gpt2_tensors());
  const Checkpoint checkpoint = open_checkpoint(directory.path());
  const StoredTensors stored = read_safetensors(directory / "model.safetensors");
  const std::vector<float> in = stored_floats(stored.at("h.0.attn.c_attn.weight"));  // [16, 48]
  const std::vector<float> out = canonical_floats(checkpoint, spec_of(TensorId::kQkv, {48, 16}, 0));
  std::vector<float> transposed;
  for (size_t row = 0; row < 48; ++row) {
    for (size_t column = 0; column < 16; ++column) transposed.push_back(in[column * 48 + row]);
  }
  CHECK(out == transposed);
  CHECK(canonical_floats(checkpoint, spec_of(TensorId::kQkv, {48}, 0, TensorPart::kBias)) ==
        stored_floats(stored.at("h.0.attn.c_attn.bias")));
}

TEST_CASE("GPT-2 and LLaMA tensors open with and without the prefix of their module") {
  for (bool with_prefix : {false, true}) {
    std::vector<NamedShape> gpt2 = tiny_gpt2_tensors();
    if (with_prefix) {
      for (NamedShape& tensor : gpt2) tensor.name = "transformer." + tensor.name;
    }
    CHECK(message_for(tiny_gpt2_config(), gpt2) == "no error");
  }
  std::vector<NamedShape> llama = tiny_llama_tensors();
  for (NamedShape& tensor : llama) {
    if (tensor.name.starts_with("model.")) tensor.name.erase(0, 6);
  }
  CHECK(message_for(tiny_llama_config(), llama) == "no error");
}

TEST_CASE("masks, frequencies and a tied head are ignored, other extra tensors refused") {
  std::vector<NamedShape> gpt2 = tiny_gpt2_tensors();
  gpt2.push_back({"h.1.attn.bias", {1, 1, 32, 32}});
  gpt2.push_back({"h.1.attn.masked_bias", {}});
  gpt2.push_back({"lm_head.weight", {11, 16}});
  CHECK(message_for(tiny_gpt2_config(), gpt2) == "no error");
  gpt2.push_back({"h.2.ln_1.weight", {16}});
  CHECK(contains(message_for(tiny_gpt2_config(), gpt2),
                 "h.2.ln_1.weight: unexpected F32 tensor [16]"));
  std::vector<NamedShape> llama = tiny_llama_tensors();
  llama.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", {4}});
  CHECK(message_for(tiny_llama_config(), llama) == "no error");
  llama.push_back({"model.layers.0.self_attn.q_proj.bias", {16}});
  CHECK(contains(message_for(tiny_llama_config(), llama),
                 "model.layers.0.self_attn.q_proj.bias: unexpected"));
}

TEST_CASE("a missing tensor is refused by name with its shape") {
  std::vector<NamedShape> tensors = tiny_llama_tensors();
  std::erase_if(tensors, [](const NamedShape& tensor) {
    return tensor.name == "model.layers.1.self_attn.k_proj.weight";
  });
  CHECK(contains(message_for(tiny_llama_config(), tensors),
                 "tensor layers.1.self_attn.k_proj.weight is missing: expected [8, 16]"));
}

TEST_CASE("a tensor of the wrong shape is refused with both shapes") {
  std::vector<NamedShape> tensors = tiny_llama_tensors();
  tensor_named(tensors, "model.layers.0.mlp.down_proj.weight").shape = {24, 16};
  CHECK(contains(message_for(tiny_llama_config(), tensors),
                 "model.layers.0.mlp.down_proj.weight: expected shape [16, 24], got [24, 16]"));
  std::vector<NamedShape> gpt2 = tiny_gpt2_tensors();
  tensor_named(gpt2, "h.0.mlp.c_fc.weight").shape = {64, 16};
  CHECK(contains(message_for(tiny_gpt2_config(), gpt2),
                 "h.0.mlp.c_fc.weight: expected shape [16, 64], got [64, 16]"));
}

TEST_CASE("a weight of a type that is no float is refused") {
  const TempDirectory directory;
  write_model(directory.path(), tiny_llama_config(), tiny_llama_tensors());
  std::string bytes = read_file(directory / "model.safetensors");
  bytes.replace(bytes.find("F32", bytes.find("\"model.norm.weight\"")), 3, "I32");
  write_file(directory / "model.safetensors", bytes);
  CHECK(contains(message_of([&] { open_checkpoint(directory.path()); }),
                 "model.norm.weight: expected F32, F16, BF16 or"));
}

TEST_CASE("misaligned tensors are read as well as aligned ones") {
  const TempDirectory directory;
  write_model(directory / "aligned", tiny_llama_config(), tiny_llama_tensors());
  write_model(directory / "misaligned", tiny_llama_config(), tiny_llama_tensors());
  std::string bytes = read_file(directory / "misaligned/model.safetensors");
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  do {  // JSON may end in spaces
    bytes.insert(sizeof(length) + length++, " ");
  } while (length % 4 != 1);
  std::memcpy(bytes.data(), &length, sizeof(length));
  write_file(directory / "misaligned/model.safetensors", bytes);
  const Checkpoint misaligned = open_checkpoint(directory / "misaligned");
  CHECK(differing_tensors(open_checkpoint(directory / "aligned"), misaligned).empty());
  for (const CheckpointTensor& tensor : misaligned.tensors) {
    for (const HostTensor::Piece& piece : misaligned.loader(tensor.spec).pieces) {
      CHECK(reinterpret_cast<uintptr_t>(piece.data) % 4 == 0);
    }
  }
}

TEST_CASE("aligned tensors that need no change are given in place") {
  const Checkpoint checkpoint = open_checkpoint(sample_model("tales-llama"));
  const TensorSpec spec = spec_of(TensorId::kMlpDown, {256, 704}, 0);
  CHECK(checkpoint.loader(spec).pieces.at(0).data == checkpoint.loader(spec).pieces.at(0).data);
}

TEST_CASE("the parts of a fused tensor are given where they lie, unless they change") {
  const Checkpoint huggingface = open_checkpoint(sample_model("tales-llama"));
  const HostTensor up = huggingface.loader(spec_of(TensorId::kMlpUp, {1408, 256}, 0));
  CHECK(up.pieces.size() == 1);  // gate and up follow each other in the file
  const Checkpoint gpt2 = open_checkpoint(sample_model("tales-gpt2"));  // stored transposed
  for (const CheckpointTensor& tensor : gpt2.tensors) {
    CHECK(gpt2.loader(tensor.spec).pieces.size() == 1);
  }
}

TEST_CASE("a loader refuses tensors and shapes that the model does not have") {
  const Checkpoint checkpoint = open_checkpoint(sample_model("tales-llama"));
  CHECK(contains(message_of([&] {
                   checkpoint.loader(spec_of(TensorId::kQkv, {512, 256}, 9));
                 }),
                 "no such tensor"));
  CHECK(contains(message_of([&] {
                   checkpoint.loader(spec_of(TensorId::kQkv, {256, 512}, 0));
                 }),
                 "expected shape [256, 512], got [512, 256]"));
}

// Bytes of mappings of `path` that are in this process's memory.
int64_t resident_bytes(const fs::path& path) {
  std::ifstream maps("/proc/self/smaps");
  int64_t kib = 0;
  bool is_wanted = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ')) is_wanted = line.ends_with(path.string());
    if (is_wanted && line.starts_with("Rss:")) kib += std::stoll(line.substr(4));
  }
  return kib * 1024;
}

TEST_CASE("what was loaded leaves memory, and is there again when it is asked for again") {
  if (!fs::exists("/proc/self/smaps")) {
    MESSAGE("skipped: no /proc/self/smaps on this system");
    return;
  }
  for (const char* model : {"tales-llama", "tales-gpt2"}) {
    const fs::path directory = sample_model(model);
    const fs::path file = fs::canonical(directory / "model.safetensors");
    const Checkpoint checkpoint = open_checkpoint(directory);
    const TensorSpec& first = checkpoint.tensors.front().spec;
    const std::string before = tensor_bytes(checkpoint, first);
    for (const CheckpointTensor& tensor : checkpoint.tensors) {
      tensor_bytes(checkpoint, tensor.spec);
    }
    CHECK(resident_bytes(file) < checkpoint.file_bytes / 4);
    CHECK(tensor_bytes(checkpoint, first) == before);
  }
}

TEST_CASE("paths that hold no model are refused with what is expected there") {
  const TempDirectory directory;
  CHECK(contains(message_of([&] { open_checkpoint(directory / "none"); }), "no such file"));
  CHECK(contains(message_of([&] { open_checkpoint(directory.path()); }),
                 "expected a model directory with eet.json"));
  write_model(directory.path(), tiny_llama_config(), tiny_llama_tensors());
  CHECK(contains(message_of([&] { open_checkpoint(directory / "model.safetensors"); }),
                 "give the directory of this file"));
  fs::remove(directory / "model.safetensors");
  CHECK(contains(message_of([&] { open_checkpoint(directory.path()); }),
                 "expected model.safetensors or"));
}

TEST_CASE("the sample and reference models open with their published parameter counts") {
  CHECK(parameter_count(open_checkpoint(sample_model("tales-llama")).config) == 3475712);
  CHECK(parameter_count(open_checkpoint(sample_model("tales-gpt2")).config) == 296704);
  CHECK(open_checkpoint(sample_model("tales-gpt2")).config.dtype == DType::kBF16);
  for (const char* name : {"gpt2-nano-sort", "gpt2-slm4096-char", "gpt2-tiny-random"}) {
    const fs::path path = shared_model(name);
    if (path.empty()) continue;
    CAPTURE(name);
    CHECK(message_of([&] { open_checkpoint(path); }) == "no error");
  }
}

}  // namespace
}  // namespace eet
