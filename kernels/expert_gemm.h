// The matrix products of a mixture of experts: each row by the matrices of the experts it chose.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/activation.h"
#include "kernels/contract/expert_routing.h"

namespace eet::kernels {

// Products x · weight[e]ᵀ + bias[e] with the expert e of each pair.
template <typename T>
struct ExpertProduct {
  const T* x;       // rows of in_features
  const T* weight;  // [num_experts, out_features, in_features]
  const T* bias;    // [num_experts, out_features] or null
  int in_features;
  int out_features;
  // By the kernels that take any sizes, and by those of GPUs without Hopper's instructions.
  bool plain = false;
  bool portable = false;
};

// What becomes of a product's sums.
struct ExpertGate {
  bool gated = false;  // function(gate) * up: out_features are all gates, then all of up
  ActivationFunction function = ActivationFunction::kSilu;
  // Where it is not 0: g * sigmoid(1.702 * g) * (u + 1) of g = min(gate, limit) and u = clamp(up,
  // -limit, limit).
  float swiglu_limit = 0;
};

// out[i] = gate(product of row pairs[i] / top_k), for the i-th pair of the sorted order; rounded to
// T before the gate. Without gates: function(product).
// Sums are in fp32, in one chain of ascending in_features for each result (of 16-wide tensor core
// products for 16-bit types where all sizes are multiples of 8): a row's bits depend on nothing but
// the row. Other rows of `out` may become anything.
// out: [num_pairs, width], width = out_features, or half of it where gated; product.x: [num_rows,
// in_features].
template <typename T>
void experts_up(T* out, const ExpertProduct<T>& product, const ExpertGroups& groups,
                const ExpertGate& gate, cudaStream_t stream);

// out[pairs[i]] = product of row i, likewise.
// out: [num_pairs, out_features]; product.x: [num_pairs, in_features].
template <typename T>
void experts_down(T* out, const ExpertProduct<T>& product, const ExpertGroups& groups,
                  cudaStream_t stream);

}  // namespace eet::kernels
