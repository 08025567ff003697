// The weights of a model, on the device that runs it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "lib/core/memory.h"
#include "lib/core/tensor_view.h"
#include "lib/model/model_config.h"
#include "lib/ops/ops.h"

namespace eet {

// A tensor in host memory as a checkpoint holds it: in one piece, or, where it stores the parts of
// a fused tensor apart, in several that follow each other along dimension 0. `owner` keeps the
// elements alive (mapped files, or a buffer made for this tensor).
struct HostTensor {
  struct Piece {
    const void* data = nullptr;
    int64_t count = 0;  // elements
  };
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::vector<Piece> pieces;
  std::shared_ptr<const void> owner;
};

// The elements of `tensor` in one piece; copies them into a buffer of its own where they are not.
const void* contiguous_data(HostTensor& tensor);

// Gives the tensor a spec asks for, in canonical layout and in the checkpoint's dtype, or throws
// Error naming file, tensor, expected and got. May be called from several threads.
using TensorLoader = std::function<HostTensor(const TensorSpec&)>;

struct NormWeights {
  TensorView weight;  // [hidden]
  TensorView bias;    // [hidden], empty where the model has none
};

struct LinearWeights {
  LinearWeight weight;
  TensorView bias;  // [out], empty where the model has none
};

struct LayerWeights {
  NormWeights attn_norm;
  LinearWeights qkv;       // hidden -> (heads + 2*kv_heads)*head_dim
  LinearWeights attn_out;  // heads*head_dim -> hidden
  NormWeights mlp_norm;
  LinearWeights mlp_up;    // hidden -> intermediate, or 2*intermediate when gated
  LinearWeights mlp_down;  // intermediate -> hidden
};

struct Weights {
  TensorView token_embedding;     // [vocab, hidden]
  TensorView position_embedding;  // [positions, hidden], empty with RoPE
  std::vector<LayerWeights> layers;
  NormWeights final_norm;
  LinearWeight lm_head;  // hidden -> vocab
  TensorView
      rope_table;  // fp32 [positions, head_dim/2, 2] (cos, sin), empty with learned positions

  std::vector<Buffer> storage;
  int64_t bytes = 0;
};

// Loads every tensor of tensor_specs(config), converted to `dtype` (fp32 on the CPU). All are
// copies: what becomes of the checkpoint's files afterwards changes nothing. `num_positions` bounds
// the rope table.
Weights load_weights(const Context& ctx, const ModelConfig& config, DType dtype,
                     int64_t num_positions, const TensorLoader& loader);

// Random weights (norm weights 1, biases 0, matrices N(0, 0.02²)), drawn on the device from `seed`:
// for benchmarks, where no checkpoint is at hand.
Weights random_weights(const Context& ctx, const ModelConfig& config, DType dtype,
                       int64_t num_positions, uint64_t seed);

}  // namespace eet
