// The CPU operations: plain fp32, the oracle for every CUDA kernel and what runs where there is no
// GPU. Contracts are those of lib/ops/ops.h.
#pragma once

#include "lib/ops/ops.h"

namespace eet::ops::cpu {

void fill_normal(const Context& ctx, TensorView out, float mean, float stddev, uint64_t seed);
void embed(const Context& ctx, TensorView residual, const int32_t* token_ids,
           const int32_t* positions, TensorView token_table, TensorView position_table,
           float scale);
void add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
              const Norm& norm, float delta_scale, const int32_t* rows);
void post_norm_add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
                        const Norm& post_norm, const Norm& norm, float delta_scale,
                        const int32_t* rows);
void norm(const Context& ctx, TensorView out, TensorView x, const Norm& norm);
inline void norm_residual(const Context& ctx, TensorView residual, const Norm& weights) {
  norm(ctx, residual, residual, weights);
}
void add_to_residual(const Context& ctx, TensorView residual, TensorView delta, float scale);
void linear(const Context& ctx, TensorView out, TensorView x, const LinearWeight& weight,
            TensorView bias);
void qk_norm(const Context& ctx, TensorView qkv, const AttentionShape& shape, const QkNorm& norm);
void rope_append(const Context& ctx, TensorView qkv, const KvLayer& kv, const ForwardBatch& batch,
                 const AttentionShape& shape, const RopeTable& rope);
void qk_norm_rope_append(const Context& ctx, TensorView qkv, const KvLayer& kv,
                         const ForwardBatch& batch, const AttentionShape& shape,
                         const RopeTable& rope, const QkNorm& norm);
void attention(const Context& ctx, TensorView out, TensorView qkv, const KvLayer& kv,
               const ForwardBatch& batch, const AttentionShape& shape,
               const AttentionScratch& scratch);
size_t attention_partials_bytes(const Context& ctx, const AttentionShape& shape, int max_num_seqs,
                                int64_t max_model_len);
inline size_t prefix_states_bytes(const Context& /*ctx*/, DType /*dtype*/,
                                  const AttentionShape& /*shape*/, int /*max_num_seqs*/) {
  return 0;
}
inline int64_t longest_context_split_alike(const Context& /*ctx*/, int64_t context_len) {
  return context_len;
}
void activation(const Context& ctx, TensorView out, TensorView x, Activation kind, bool gated);
void prepare_decode(const Context& ctx, int32_t* token_ids, int32_t* positions,
                    int32_t* context_lens, const int32_t* row_slots, int num_rows,
                    const SlotTables& slots);
void count_prompt_tokens(const Context& ctx, const SlotTables& slots, const int32_t* token_ids,
                         const int32_t* positions, const int32_t* token_slots, int num_tokens);
void sample(const Context& ctx, const SampledRing& sampled, TensorView logits, const int32_t* slots,
            const SlotTables& tables, void* scratch);
size_t sample_scratch_bytes(const Context& ctx, int max_num_seqs, int64_t vocab_size);
void scale_logits(const Context& ctx, TensorView logits, TensorView bias, float scale,
                  float softcap);
void score(const Context& ctx, float* logprobs, int32_t* is_argmax, TensorView logits,
           const int32_t* targets, int64_t vocab_size);
void top_logprobs(const Context& ctx, int32_t* ids, float* logprobs, int count, TensorView logits,
                  int64_t vocab_size);

}  // namespace eet::ops::cpu
