// The shapes of well-known models, for measurements with random weights.
#pragma once

#include <string>
#include <vector>

#include "lib/model/model_config.h"

namespace eet {

// Names that shape_config knows.
std::vector<std::string> shape_names();

// The configuration of a shape: "tales" (samples/models/tales-llama), "124m" and "xl" (GPT-2), "1b"
// (Llama-3.2), "8b" (Llama-3). Throws Error on any other name.
ModelConfig shape_config(const std::string& name);

}  // namespace eet
