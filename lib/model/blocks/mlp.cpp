#include "lib/model/blocks/mlp.h"

namespace eet {

void mlp_block(const Context& ctx, TensorView delta, TensorView x, const MlpConfig& mlp,
               const LayerWeights& layer, const Activations& buffers) {
  ops::linear_activation(ctx, buffers.activated, buffers.up, x, layer.mlp_up.weight,
                         layer.mlp_up.bias, mlp.activation, mlp.gated);
  ops::linear(ctx, delta, buffers.activated, layer.mlp_down.weight, layer.mlp_down.bias);
}

}  // namespace eet
