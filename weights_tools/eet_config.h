// eet.json: the configuration of a model written by `eet convert`, with every value that generation
// depends on.
#pragma once

#include <filesystem>
#include <string>

#include "lib/model/config.h"

namespace eet {

// The file that marks a converted model.
inline constexpr const char* kEetConfigFile = "eet.json";

// `config` as the text of that file.
std::string format_eet_config(const ModelConfig& config);

// The inverse. Refuses missing and unknown keys, and other format versions. Throws Error.
ModelConfig read_eet_config(const std::filesystem::path& path);

}  // namespace eet
