// How fast a schedule could run at best, from bytes and operations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/ceilings.h"
#include "lib/core/dtype.h"
#include "lib/engine.h"
#include "lib/model/config.h"

namespace eet {

// Layers whose experts are alike.
struct ExpertCosts {
  double weight_bytes = 0;  // of one expert, in all these layers
  int64_t count = 0;        // experts of a layer
  int64_t top_k = 0;        // of a token
};

// What a model costs for each pass, token and cached token.
struct ModelCosts {
  // That a decode step reads: everything but the embedding tables and experts.
  double weight_bytes = 0;
  double block_weight_bytes = 0;          // that a prompt pass reads: the same without the LM head
  std::vector<ExpertCosts> experts = {};  // that passes read besides, those that tokens choose
  // In a decode step's matrix products: of blocks and LM head, those that a token uses.
  double parameters = 0;
  double block_parameters = 0;  // in a prompt pass's
  double kv_bytes_per_token = 0;
  double attention_flops_per_key = 0;  // of one query on one key, in all heads and layers
};

ModelCosts model_costs(const ModelConfig& config, DType dtype);

// Bytes of the experts that a pass of so many tokens reads: of each layer count · (1 - (1 - top_k /
// count)^tokens), as many as tokens choose on average where each chooses evenly and on its own.
double expert_bytes(const ModelCosts& costs, double tokens);

// What a run did, as far as its limit depends on it.
struct Work {
  int64_t prefill_passes = 0;
  int64_t prefill_tokens = 0;
  int64_t prefill_context_tokens = 0;
  int64_t decode_context_tokens = 0;  // in pages that rows of a step share, once for all of them
  std::vector<int64_t> decode_steps_by_rows;  // [rows]

  int64_t decode_steps() const;
  int most_rows() const;  // of a decode step
};

// The work between two readings of one engine's statistics.
Work work_between(const EngineStats& before, const EngineStats& after);

// A roofline for the passes that ran, with bandwidth BW and matrix rate F as measured (Ceilings):
//   prefill   max(passes · W_blocks / BW, (2 · P_blocks · tokens + A · keys) / F)
//   decode    Σ over steps of max(W / BW, 2 · P · rows / F)
//   kv        cached tokens read · kv / BW
// where W are weight bytes, with those of the experts that so many tokens choose (expert_bytes; of
// prompt passes as many as they have on average), and P parameters (ModelCosts), keys are the
// (query, key) pairs of causal attention and A = 4 · heads · head_dim · layers: a multiply-add for
// the score and one for the value. Activations, new KV entries, embedding rows, norms, sampling and
// the LM head of prompt passes are left out: they are small, and each would only raise the limit's
// time.
struct Limit {
  double prefill_seconds = 0;
  double decode_seconds = 0;  // without reading the KV cache
  double kv_seconds = 0;

  double seconds() const { return prefill_seconds + decode_seconds + kv_seconds; }
};

Limit compute_limit(const ModelCosts& costs, const Work& work, const Ceilings& ceilings);

// Whether the weights that passes read stay in the device's last cache, and so come faster than the
// bandwidth of its memory, where that is the limit of a part of `work`.
bool caches_invalidate(const ModelCosts& costs, const Work& work, const Ceilings& ceilings);

// The same with its numbers, in a few lines for people.
std::string explain_limit(const ModelCosts& costs, const Work& work, const Ceilings& ceilings);

}  // namespace eet
