// A checkpoint of any supported format: its configuration and its tensors in canonical layout.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lib/model/config.h"
#include "lib/model/weights.h"
#include "weights_tools/config_policy.h"

namespace eet {

// One tensor of a model, before any of its elements is read.
struct CheckpointTensor {
  TensorSpec spec;
  DType dtype = DType::kF32;  // that the loader gives
};

struct Checkpoint {
  std::string format;  // "eet", "Hugging Face safetensors", "GGUF version 3": for `inspect`
  ModelConfig config;
  std::vector<CheckpointTensor> tensors;      // of all tensor_specs(config), in that order
  TensorLoader loader;                        // gives every one of them
  std::filesystem::path tokenizer_directory;  // or the one file: what load_tokenizer takes
  int64_t file_bytes = 0;                     // of the weights, headers included
  std::vector<std::string> warnings;          // one sentence each, for people
};

// Opens a directory written by `eet convert`, a Hugging Face directory (config.json with single or
// sharded safetensors), a .gguf file (alone, or the first of a split model), or a llama2.c .bin
// file (legacy or version 1). Files are mapped; nothing is read beyond headers. Everything that can
// be refused is refused here: unknown configuration, missing, unexpected, overlapping or mis-shaped
// tensors, truncated files. Throws Error.
Checkpoint open_checkpoint(const std::filesystem::path& path, const ConfigPolicy& policy = {});

// Only the configuration: of a config.json in Hugging Face's form, or of a directory that holds one
// (or that `eet convert` wrote). For running a model's shape with random weights.
ModelConfig read_model_config(const std::filesystem::path& path, const ConfigPolicy& policy = {});

}  // namespace eet
