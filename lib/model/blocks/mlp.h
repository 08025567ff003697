// The dense MLP block.
#pragma once

#include "lib/model/activations.h"

namespace eet {

// delta = mlp(x): T [tokens, hidden] both.
void mlp_block(const Context& ctx, TensorView delta, TensorView x, const MlpConfig& mlp,
               const LinearWeights& up, const LinearWeights& down, const Activations& buffers);

}  // namespace eet
