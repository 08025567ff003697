// The memory that a forward pass works in.
#pragma once

#include <vector>

#include "lib/core/memory.h"
#include "lib/model/tensors.h"
#include "lib/ops/ops.h"

namespace eet {

// The largest passes a decoder is made for.
struct PassLimits {
  DType dtype = DType::kF32;  // T below
  int max_tokens = 0;         // of a pass
  int max_rows = 0;           // with logits
  int64_t max_model_len = 0;
};

// Sizes are those of the layer that needs most. Views are empty where no layer needs them.
struct Activations {
  TensorView residual;          // fp32 [tokens, hidden], the residual stream
  TensorView embedded;          // T [tokens, embedding], where embeddings are projected
  TensorView normed;            // T [tokens, hidden], a block's input
  TensorView mlp_normed;        // T [tokens, hidden], the MLP's where it runs beside attention
  TensorView qkv;               // T [tokens, (heads + 2*kv_heads)*head_dim]
  TensorView attended;          // T [tokens, heads*head_dim]
  TensorView up;                // T [tokens, intermediate], or 2*intermediate when gated
  TensorView activated;         // T [tokens, intermediate]; `up` itself where no layer is gated
  TensorView router_logits;     // fp32 [tokens, experts]
  TensorView expert_groups;     // int32 [size of ops::expert_groups]
  TensorView expert_activated;  // T [tokens * top_k, intermediate]
  TensorView expert_out;        // T [tokens * top_k, hidden]
  TensorView expert_product;    // fp32 [tokens * top_k, the larger of up and hidden]; CPU only
  TensorView shared_out;        // T [tokens, hidden], of the shared expert
  TensorView shared_gate;       // fp32 [tokens, 1], likewise
  TensorView delta;             // T [tokens, hidden], what a block adds to the residual stream
  TensorView last;              // T [rows, hidden], the tokens whose logits are wanted
  TensorView projected;         // T [rows, embedding], where embeddings are projected
  TensorView logits;            // fp32 [rows, padded vocabulary]
  AttentionScratch attention_scratch;
};

// A smaller matrix in the memory of a larger one.
inline TensorView matrix_in(const TensorView& memory, int64_t rows, int64_t columns) {
  return {memory.data, memory.dtype, {rows, columns}};
}

// Owns them.
class ActivationMemory {
 public:
  ActivationMemory(const Context& ctx, const ModelConfig& config, const PassLimits& limits);

  const Activations& views() const { return views_; }

  // What one takes, to the byte: activations, and logits.
  static std::vector<MemoryItem> memory(const Context& ctx, const ModelConfig& config,
                                        const PassLimits& limits);

 private:
  Activations views_;
  std::vector<Buffer> storage_;
};

}  // namespace eet
