// The attention block: projections, QK-norm, RoPE, the KV cache, attention.
#pragma once

#include "lib/model/activations.h"

namespace eet {

// delta = attention(x): T [tokens, hidden] both. Appends the tokens' keys and values to `kv`.
void attention_block(const Context& ctx, TensorView delta, TensorView x, const LayerWeights& layer,
                     const KvLayer& kv, const ForwardBatch& batch, const Activations& buffers);

}  // namespace eet
