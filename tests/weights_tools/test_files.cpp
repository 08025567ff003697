#include "tests/weights_tools/test_files.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>

#include "lib/core/error.h"

namespace eet {

namespace fs = std::filesystem;
using nlohmann::json;

TempDirectory::TempDirectory() {
  std::string name = (fs::temp_directory_path() / "eet-test-XXXXXX").string();
  require(::mkdtemp(name.data()) != nullptr, "cannot create a temporary directory");
  path_ = name;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  require(file.good(), "cannot write ", path.string());
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  require(file.good(), "cannot read ", path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string safetensors_bytes(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + header + data;
}

std::string safetensors_of(const std::vector<NamedShape>& tensors) {
  json header = json::object();
  std::string data;
  float next = 0;
  for (const NamedShape& tensor : tensors) {
    int64_t count = 1;
    for (int64_t dim : tensor.shape) count *= dim;
    const size_t begin = data.size();
    for (int64_t i = 0; i < count; ++i, ++next) {
      data.append(reinterpret_cast<const char*>(&next), sizeof(next));
    }
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  return safetensors_bytes(header.dump(), data);
}

json tiny_llama_config() {
  return {{"model_type", "llama"},    {"vocab_size", 11},
          {"hidden_size", 16},        {"intermediate_size", 24},
          {"num_hidden_layers", 2},   {"num_attention_heads", 2},
          {"num_key_value_heads", 1}, {"max_position_embeddings", 32},
          {"rms_norm_eps", 1e-5}};
}

std::vector<NamedShape> tiny_llama_tensors() {
  std::vector<NamedShape> tensors = {{"model.embed_tokens.weight", {11, 16}},
                                     {"model.norm.weight", {16}},
                                     {"lm_head.weight", {11, 16}}};
  for (int layer = 0; layer < 2; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    for (const NamedShape& tensor :
         std::vector<NamedShape>{{"input_layernorm.weight", {16}},
                                 {"self_attn.q_proj.weight", {16, 16}},
                                 {"self_attn.k_proj.weight", {8, 16}},
                                 {"self_attn.v_proj.weight", {8, 16}},
                                 {"self_attn.o_proj.weight", {16, 16}},
                                 {"post_attention_layernorm.weight", {16}},
                                 {"mlp.gate_proj.weight", {24, 16}},
                                 {"mlp.up_proj.weight", {24, 16}},
                                 {"mlp.down_proj.weight", {16, 24}}}) {
      tensors.push_back({prefix + tensor.name, tensor.shape});
    }
  }
  return tensors;
}

json tiny_gpt2_config() {
  return {{"model_type", "gpt2"}, {"vocab_size", 11}, {"n_embd", 16},
          {"n_layer", 2},         {"n_head", 2},      {"n_positions", 32}};
}

std::vector<NamedShape> tiny_gpt2_tensors() {
  std::vector<NamedShape> tensors = {{"wte.weight", {11, 16}},
                                     {"wpe.weight", {32, 16}},
                                     {"ln_f.weight", {16}},
                                     {"ln_f.bias", {16}}};
  for (int layer = 0; layer < 2; ++layer) {
    const std::string prefix = "h." + std::to_string(layer) + ".";
    for (const NamedShape& tensor : std::vector<NamedShape>{{"ln_1.weight", {16}},
                                                            {"ln_1.bias", {16}},
                                                            {"attn.c_attn.weight", {16, 48}},
                                                            {"attn.c_attn.bias", {48}},
                                                            {"attn.c_proj.weight", {16, 16}},
                                                            {"attn.c_proj.bias", {16}},
                                                            {"ln_2.weight", {16}},
                                                            {"ln_2.bias", {16}},
                                                            {"mlp.c_fc.weight", {16, 64}},
                                                            {"mlp.c_fc.bias", {64}},
                                                            {"mlp.c_proj.weight", {64, 16}},
                                                            {"mlp.c_proj.bias", {16}}}) {
      tensors.push_back({prefix + tensor.name, tensor.shape});
    }
  }
  return tensors;
}

void write_model(const fs::path& directory, const json& config,
                 const std::vector<NamedShape>& tensors) {
  fs::create_directories(directory);
  write_file(directory / "config.json", config.dump());
  write_file(directory / "model.safetensors", safetensors_of(tensors));
}

TensorSpec spec_of(TensorId id, std::vector<int64_t> shape, int64_t layer, TensorPart part) {
  return {.key = {id, part, layer}, .shape = std::move(shape)};
}

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

ModelConfig config_from(const json& config) {
  const TempDirectory directory;
  write_file(directory / "config.json", config.dump());
  return read_model_config(directory.path());
}

std::string config_message(const json& config) {
  return message_of([&] { config_from(config); });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string tensor_bytes(const Checkpoint& checkpoint, const TensorSpec& spec) {
  HostTensor tensor = checkpoint.loader(spec);
  size_t bytes = dtype_size(tensor.dtype);
  for (int64_t dim : tensor.shape) bytes *= static_cast<size_t>(dim);
  return {static_cast<const char*>(contiguous_data(tensor)), bytes};
}

std::vector<std::string> differing_tensors(const Checkpoint& a, const Checkpoint& b) {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::max(a.tensors.size(), b.tensors.size()); ++i) {
    if (i >= a.tensors.size() || i >= b.tensors.size()) {
      names.emplace_back("one has more tensors");
      break;
    }
    const CheckpointTensor& left = a.tensors[i];
    const CheckpointTensor& right = b.tensors[i];
    const bool same = left.spec.key == right.spec.key && left.spec.shape == right.spec.shape &&
                      left.dtype == right.dtype &&
                      tensor_bytes(a, left.spec) == tensor_bytes(b, right.spec);
    if (!same) names.push_back(left.spec.name());
  }
  return names;
}

fs::path sample_model(const std::string& name) {
  const char* folder = name == "tales-llama" ? "samples/models" : "tests/golden/models";
  return fs::path(EET_SOURCE_DIR) / folder / name;
}

fs::path shared_model(const std::string& name) {
  fs::path path = fs::path(EET_SOURCE_DIR) / ".." / "shared" / "data" / "models" / name;
  if (fs::exists(path)) return path;
  std::cout << "skipped: no " << path.string() << '\n';
  return {};
}

}  // namespace eet
