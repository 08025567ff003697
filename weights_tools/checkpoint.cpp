#include "weights_tools/checkpoint.h"

#include "lib/core/error.h"
#include "weights_tools/eet_config.h"
#include "weights_tools/formats/gguf.h"
#include "weights_tools/formats/gguf_model.h"
#include "weights_tools/formats/huggingface.h"
#include "weights_tools/formats/llama2c.h"
#include "weights_tools/formats/safetensors.h"
#include "weights_tools/tensor_sources.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

ModelConfig read_converted_config(const fs::path& path) {
  ModelConfig config = read_eet_config(path);
  validate(config, path.string());
  return config;
}

Checkpoint open_converted(const fs::path& directory) {
  Checkpoint checkpoint;
  checkpoint.format = "eet";
  checkpoint.config = read_converted_config(directory / kEetConfigFile);
  checkpoint.tokenizer_directory = directory;
  bind_tensors(checkpoint, read_safetensors(directory / "model.safetensors"), canonical_names(),
               directory.string());
  return checkpoint;
}

}  // namespace

Checkpoint open_checkpoint(const fs::path& path, const ConfigPolicy& policy) {
  require(fs::exists(path), path.string(), ": no such file or directory");
  if (!fs::is_directory(path)) {
    require(
        path.extension() != ".safetensors" && path.extension() != ".json", path.string(),
        ": expected a model directory, a .gguf or a llama2.c .bin file; give the directory of this "
        "file");
    if (is_gguf(path)) return open_gguf(path, policy);
    return open_llama2c(path);
  }
  if (fs::exists(path / kEetConfigFile)) return open_converted(path);
  require(fs::exists(path / "config.json"), path.string(), ": expected a model directory with ",
          kEetConfigFile,
          " (written by eet convert) or config.json (Hugging Face); give a .gguf file itself");
  return open_huggingface(path, policy);
}

ModelConfig read_model_config(const fs::path& path, const ConfigPolicy& policy) {
  require(fs::exists(path), path.string(), ": no such file or directory");
  std::vector<std::string> warnings;
  if (!fs::is_directory(path)) {
    return read_huggingface_config(path, path.parent_path() / "generation_config.json", policy,
                                   warnings);
  }
  if (fs::exists(path / kEetConfigFile)) return read_converted_config(path / kEetConfigFile);
  return read_huggingface_config(path / "config.json", path / "generation_config.json", policy,
                                 warnings);
}

}  // namespace eet
