// The forward pass of a decoder-only transformer.
#pragma once

#include <vector>

#include "lib/cache/kv_cache.h"
#include "lib/model/weights.h"
#include "lib/ops/ops.h"

namespace eet {

class Decoder {
 public:
  // Takes the activations' memory for passes of up to `max_tokens` tokens and `max_rows` rows with
  // logits.
  Decoder(const Context& ctx, const ModelConfig& config, const Weights& weights, DType dtype,
          int max_tokens, int max_rows, int64_t max_model_len);

  // Runs `batch` through all layers, appending its keys and values to `cache`, and returns the
  // logits of its num_logits tokens, fp32 [num_logits, padded vocabulary]. Valid until the next
  // pass.
  TensorView forward(const ForwardBatch& batch, const KvCache& cache);

  // Finds the fastest matrix products for the passes to come, on devices where there is a choice.
  // Between passes only.
  void tune();

  // Logits of `count` tokens of the pass that ran last, at most max_rows of them, by their index in
  // the pass; a token may come more than once. Takes the place of what was returned before.
  TensorView logits(const int32_t* tokens, int64_t count);

  int64_t activation_bytes() const { return activation_bytes_; }
  int64_t logits_bytes() const { return logits_.bytes(); }

 private:
  TensorView reserve(DType dtype, int64_t rows, int64_t columns);
  void tune(TensorView out, TensorView x, LinearWeights LayerWeights::*product, int64_t rows);

  const Context& ctx_;
  const ModelConfig& config_;
  const Weights& weights_;
  AttentionShape shape_;
  std::vector<Buffer> storage_;
  int64_t activation_bytes_ = 0;

  TensorView residual_;   // fp32 [tokens, hidden]
  TensorView normed_;     // [tokens, hidden]
  TensorView qkv_;        // [tokens, (heads + 2*kv_heads)*head_dim]
  TensorView attended_;   // [tokens, heads*head_dim]
  TensorView up_;         // [tokens, intermediate], or 2*intermediate when gated
  TensorView activated_;  // [tokens, intermediate]; up_ itself when not gated
  TensorView delta_;      // [tokens, hidden], what a block adds to the residual stream
  TensorView last_;       // [rows, hidden]
  TensorView logits_;     // fp32 [rows, padded vocabulary]
  AttentionScratch attention_scratch_;  // in storage_
};

}  // namespace eet
