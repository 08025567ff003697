// A checkpoint of any supported format: its configuration and its tensors in canonical layout.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lib/model/model_config.h"
#include "lib/model/weights.h"

namespace eet {

struct Checkpoint {
  std::string format;  // "eet", "Hugging Face safetensors", "llama2.c": for `inspect`
  ModelConfig config;
  TensorLoader loader;  // gives every tensor of tensor_specs(config)
  std::filesystem::path tokenizer_directory;
  int64_t file_bytes = 0;
};

// Opens a directory written by `eet convert`, a Hugging Face directory (config.json with single or
// sharded safetensors), or a llama2.c .bin file (legacy or version 1). Files are mapped; nothing is
// read beyond headers. Everything that can be refused is refused here: unknown configuration,
// missing, unexpected, overlapping or mis-shaped tensors, truncated files. Throws Error.
Checkpoint open_checkpoint(const std::filesystem::path& path);

}  // namespace eet
