#include "lib/model/blocks/mlp.h"

namespace eet {

void mlp_block(const Context& ctx, TensorView delta, TensorView x, const MlpConfig& mlp,
               const LinearWeights& up, const LinearWeights& down, const Activations& buffers) {
  const TensorView product = matrix_in(buffers.up, x.dim(0), mlp.up_size());
  const TensorView activated = matrix_in(buffers.activated, x.dim(0), mlp.intermediate_size);
  ops::linear_activation(ctx, activated, product, x, up.weight, up.bias, mlp.activation, mlp.gated);
  ops::linear(ctx, delta, activated, down.weight, down.bias);
}

}  // namespace eet
