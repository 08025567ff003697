// The stored names that LLaMA's implementation began and most families keep.
#pragma once

#include "weights_tools/tensor_sources.h"

namespace eet {

NameMap llama_names(const ModelConfig& config);

// Where norms come after both blocks (OLMo 2), and none before.
NameMap norms_after(const ModelConfig& config);

}  // namespace eet
