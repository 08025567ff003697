// Names that several families with experts share.
#pragma once

#include "lib/model/config.h"
#include "weights_tools/tensor_sources.h"

namespace eet {

// LLaMA's names, and those of a router and of experts, each in tensors of its own or stacked.
NameMap expert_names(const ModelConfig& config);

}  // namespace eet
