// The block of a mixture of experts.
#pragma once

#include "lib/model/activations.h"

namespace eet {

// delta = the weighted sum of each token's experts' MLPs of x, and the shared expert's:
// T [tokens, hidden] both.
void experts_block(const Context& ctx, TensorView delta, TensorView x, const LayerConfig& config,
                   const ExpertsWeights& weights, const ForwardBatch& batch,
                   const Activations& buffers);

}  // namespace eet
