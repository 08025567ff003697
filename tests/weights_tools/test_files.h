// Small model files made, and damaged, by the tests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "weights_tools/checkpoint.h"

namespace eet {

// A fresh directory that goes with the object.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, const std::string& bytes);
std::string read_file(const std::filesystem::path& path);

// The bytes of a safetensors file: length, `header`, `data`.
std::string safetensors_bytes(const std::string& header, const std::string& data);

// A file of fp32 tensors with the given shapes, filled with 0, 1, 2, ... through the file.
struct NamedShape {
  std::string name;
  std::vector<int64_t> shape;
};
std::string safetensors_of(const std::vector<NamedShape>& tensors);

// Configurations and tensors of models with 2 layers, hidden size 16 and 2 heads.
nlohmann::json tiny_llama_config();
std::vector<NamedShape> tiny_llama_tensors();
nlohmann::json tiny_gpt2_config();
std::vector<NamedShape> tiny_gpt2_tensors();

// Writes config.json and model.safetensors.
void write_model(const std::filesystem::path& directory, const nlohmann::json& config,
                 const std::vector<NamedShape>& tensors);

// Names a tensor and its shape.
TensorSpec spec_of(TensorId id, std::vector<int64_t> shape, int64_t layer = -1,
                   TensorPart part = TensorPart::kWeight);

// What `body` throws, or "no error".
std::string message_of(const std::function<void()>& body);

// What reading a config.json of this content gives, and what it says: message_of().
ModelConfig config_from(const nlohmann::json& config);
std::string config_message(const nlohmann::json& config);

bool contains(const std::string& text, const std::string& part);

// All elements of a canonical tensor, as bytes.
std::string tensor_bytes(const Checkpoint& checkpoint, const TensorSpec& spec);

// Names of the tensors in which two checkpoints differ (bytes, types or shapes).
std::vector<std::string> differing_tensors(const Checkpoint& a, const Checkpoint& b);

// Models of the repository (the sample, or a smaller one for tests) and of the data beside it,
// which may be absent: then a message is printed and the result is empty.
std::filesystem::path sample_model(const std::string& name);
std::filesystem::path shared_model(const std::string& name);

}  // namespace eet
