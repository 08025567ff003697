// The operations of a mixture of experts, in the order that a block calls them: route(),
// experts_up(), experts_down(), combine_experts(). T and the devices are as in ops.h.
//
// A row's bits depend neither on the other rows nor on how many there are. Experts that no row
// chooses are not read.
#pragma once

#include <cstdint>

#include "kernels/contract/expert_routing.h"
#include "lib/core/context.h"
#include "lib/core/tensor_view.h"
#include "lib/model/config.h"

namespace eet {

// One matrix of each expert, in the layout the device's grouped product wants.
// CUDA: [num_experts, out, in] row-major in T. CPU: each expert's fp32 panels, one after another
// (lib/ops/cpu/gemm.h).
struct ExpertWeight {
  TensorView data = {};
  int64_t num_experts = 0;
  int64_t in_features = 0;
  int64_t out_features = 0;
};

// What becomes of an expert's first product.
struct ExpertActivation {
  Activation kind = Activation::kSilu;
  bool gated = true;  // kind(gate) * up; the product's columns are all gates, then all of up
  // gpt-oss: g * sigmoid(1.702 * g) * (u + 1) of g = min(gate, limit), u = clamp(up, -limit,
  // limit), whatever `kind` is. 0: not so.
  float swiglu_limit = 0;
};

// What the CPU works in, apart from all operands; CUDA leaves it alone.
struct ExpertScratch {
  TensorView gathered = {};  // fp32 [pairs, in_features], of experts_up() alone
  TensorView product = {};   // fp32 [pairs, out_features]
};

// An expert that every row has (Qwen2-MoE).
struct SharedExpert {
  TensorView out = {};   // T [rows, hidden]; empty: there is none
  TensorView gate = {};  // fp32 [rows, n >= 1]: out counts times sigmoid(column 0); empty: times 1
};

namespace ops {

// The memory of the groups of passes of up to max_rows rows; and its arrays for a pass of
// `num_rows`, in tiles of `tile_rows` pairs (0: as many as are fastest; at least
// kMinExpertTileRows). Aligned to 16 bytes; the contents at first do not matter.
size_t expert_groups_bytes(int num_experts, int top_k, int64_t max_rows);
ExpertGroups expert_groups(void* memory, int num_experts, int top_k, int64_t num_rows,
                           int tile_rows = 0);

// Chooses each row's experts and their weights, and sorts the pairs by expert: fills `groups`. The
// experts of a row are those that torch.topk chooses on the CPU, in its order. Rows with
// positions[r] < 0 are idle: they choose none. A row with a NaN chooses some.
// logits: fp32 [rows, n >= num_experts]; selection_bias: fp32 [num_experts], added to the scores
// for the choice but not in the weights (DeepSeek-V3), or empty.
void route(const Context& ctx, const ExpertGroups& groups, TensorView logits,
           TensorView selection_bias, const int32_t* positions, const RouterRules& rules);

// activated[i] = activation(up[e] · x[r] + bias[e]), rounded to T before the activation, for the
// i-th pair of the sorted order, its row r and its expert e. Sums in fp32, in ascending order of
// in_features. Other rows of `activated` are not written.
// activated: T [pairs, width]; x: T [rows, in_features]; out_features is 2 * width where gated;
// bias: T [num_experts, out_features] or empty.
void experts_up(const Context& ctx, TensorView activated, TensorView x, const ExpertGroups& groups,
                const ExpertWeight& up, TensorView bias, const ExpertActivation& activation,
                const ExpertScratch& scratch = {});

// out[p] = down[e] · activated[i] + bias[e] for the i-th pair p of the sorted order.
// out: T [pairs, out_features]; activated: T [pairs, in_features]; bias: T [num_experts,
// out_features] or empty.
void experts_down(const Context& ctx, TensorView out, TensorView activated,
                  const ExpertGroups& groups, const ExpertWeight& down, TensorView bias,
                  const ExpertScratch& scratch = {});

// out[r] = sum over the row's slots, in order, of weights[r][slot] * expert_out[pair], plus the
// shared expert's part; in fp32, rounded to T once. Idle rows have the shared part alone.
// out: T [rows, hidden]; expert_out: T [pairs, hidden].
void combine_experts(const Context& ctx, TensorView out, TensorView expert_out,
                     const ExpertGroups& groups, const SharedExpert& shared);

}  // namespace ops
}  // namespace eet
