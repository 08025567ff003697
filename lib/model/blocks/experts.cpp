#include "lib/model/blocks/experts.h"

#include "lib/model/blocks/mlp.h"

namespace eet {
namespace {

// The expert that every token has, and the gates of its output.
SharedExpert run_shared_expert(const Context& ctx, TensorView x, const LayerConfig& config,
                               const ExpertsWeights& weights, const Activations& buffers) {
  if (config.experts.shared_intermediate_size == 0) return {};
  mlp_block(ctx, buffers.shared_out, x, config.shared_expert(), weights.shared_up,
            weights.shared_down, buffers);
  if (!config.experts.shared_gate) return {.out = buffers.shared_out};
  ops::linear(ctx, buffers.shared_gate, x, weights.shared_gate.weight, {});
  return {.out = buffers.shared_out, .gate = buffers.shared_gate};
}

}  // namespace

void experts_block(const Context& ctx, TensorView delta, TensorView x, const LayerConfig& config,
                   const ExpertsWeights& weights, const ForwardBatch& batch,
                   const Activations& buffers) {
  const MlpConfig& mlp = config.mlp;
  const RouterRules rules = {.scores = config.experts.scores,
                             .num_experts = static_cast<int>(config.experts.count),
                             .top_k = static_cast<int>(config.experts.top_k),
                             .normalise = config.experts.normalise,
                             .scale = static_cast<float>(config.experts.scaling)};
  const int64_t tokens = x.dim(0);
  const ExpertGroups groups =
      ops::expert_groups(buffers.expert_groups.data, rules.num_experts, rules.top_k, tokens);
  const TensorView logits = matrix_in(buffers.router_logits, tokens, rules.num_experts);
  const TensorView activated =
      matrix_in(buffers.expert_activated, groups.num_pairs(), mlp.intermediate_size);
  const TensorView out = matrix_in(buffers.expert_out, groups.num_pairs(), delta.dim(1));
  const auto product = [&](int64_t columns) {
    return matrix_in(buffers.expert_product, groups.num_pairs(), columns);
  };

  ops::linear(ctx, logits, x, weights.router.weight, weights.router.bias);
  ops::route(ctx, groups, logits, {}, batch.positions, rules);
  ops::experts_up(ctx, activated, x, groups, weights.up.weight, weights.up.bias,
                  {.kind = mlp.activation,
                   .gated = mlp.gated,
                   .swiglu_limit = static_cast<float>(mlp.swiglu_limit)},
                  {.gathered = out, .product = product(mlp.up_size())});
  ops::experts_down(ctx, out, activated, groups, weights.down.weight, weights.down.bias,
                    {.product = product(delta.dim(1))});
  const SharedExpert shared = run_shared_expert(ctx, x, config, weights, buffers);
  ops::combine_experts(ctx, delta, out, groups, shared);
}

}  // namespace eet
