// The weights of a model, on the device that runs it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "lib/core/memory.h"
#include "lib/core/tensor_view.h"
#include "lib/model/tensors.h"
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

// A model's weights with the memory they are in.
struct PlacedWeights {
  Weights weights;
  std::vector<Buffer> storage;
};

// Loads every tensor of tensor_specs(config), converted to `dtype` (fp32 on the CPU). All are
// copies: what becomes of the checkpoint's files afterwards changes nothing. `num_positions` bounds
// the rope tables.
PlacedWeights load_weights(const Context& ctx, const ModelConfig& config, DType dtype,
                           int64_t num_positions, const TensorLoader& loader);

// Random weights (norm factors 1, biases 0, matrices N(0, 0.02²)), drawn on the device from `seed`:
// for benchmarks, where no checkpoint is at hand.
PlacedWeights random_weights(const Context& ctx, const ModelConfig& config, DType dtype,
                             int64_t num_positions, uint64_t seed);

// Columns of the logits: the rows of the LM head, filled up on CUDA.
int64_t padded_vocab_size(const Context& ctx, const ModelConfig& config);

// Bytes of memory that load_weights takes (`from_checkpoint`) or random_weights, to the byte. On
// the CPU tables that are loaded keep the checkpoint's type.
int64_t weight_bytes(const Context& ctx, const ModelConfig& config, DType dtype,
                     int64_t num_positions, bool from_checkpoint);

}  // namespace eet
