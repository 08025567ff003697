// Hugging Face model directories: config.json, generation_config.json, safetensors.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lib/model/config.h"
#include "weights_tools/checkpoint.h"

namespace eet {

// The configuration in `path`, a config.json. Refuses unknown model types, keys and values. BOS and
// EOS ids come from `generation_config` where that file exists and names them, as in transformers'
// generate(); ids outside the vocabulary can never be generated and are dropped with a warning.
ModelConfig read_huggingface_config(const std::filesystem::path& path,
                                    const std::filesystem::path& generation_config,
                                    const ConfigPolicy& policy, std::vector<std::string>& warnings);

// Opens a directory with config.json and single or sharded safetensors.
Checkpoint open_huggingface(const std::filesystem::path& directory, const ConfigPolicy& policy);

}  // namespace eet
