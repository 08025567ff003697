// The forward pass of a decoder-only transformer.
#pragma once

#include "lib/cache/kv_cache.h"
#include "lib/model/activations.h"
#include "lib/model/weights.h"
#include "lib/ops/ops.h"

namespace eet {

class Decoder {
 public:
  Decoder(const Context& ctx, const ModelConfig& config, const Weights& weights,
          const PassLimits& limits);

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

  // Whether decode steps read pages that rows share once (ForwardBatch::prefixes).
  bool reads_prefixes_once() const {
    return memory_.views().attention_scratch.prefix_states != nullptr;
  }

  // The first `rows` of the logits that were computed last, also by a pass that was replayed.
  TensorView last_logits(int64_t rows) const { return memory_.views().logits.first(rows); }

 private:
  // What the block before adds to the residual stream, not added yet: scale * norm(delta).
  struct Pending {
    TensorView delta = {};
    float scale = 1;
    Norm norm = {.kind = NormKind::kNone};
  };

  void embed(const ForwardBatch& batch);
  void run_layer(int64_t i, ForwardBatch batch, const KvCache& cache);
  void add_pending(TensorView out, const Norm& norm, const int32_t* tokens = nullptr);
  void add_pending();
  void finish_block(const Norm& post_norm, const Norm& residual_norm, const LayerConfig& layer);
  void tune(const TensorView& out, const TensorView& x, int64_t rows,
            LinearWeights (*product)(const LayerWeights&));

  const Context& ctx_;
  const ModelConfig& config_;
  const Weights& weights_;
  ActivationMemory memory_;
  Activations now_;  // of the pass that runs: the first rows of memory_'s
  Pending pending_;
};

}  // namespace eet
