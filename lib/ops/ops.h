// The short list of operations a decoder is made of. Each checks its shapes and runs on the
// context's device: cuda:: calls one launcher of kernels/, cpu:: is plain fp32 and the oracle.
//
// T below is the compute type: fp32, fp16 or bf16 on CUDA, fp32 on the CPU. The residual stream and
// the logits are fp32 always.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/contract/attention_scratch.h"
#include "kernels/contract/kv_layout.h"
#include "kernels/contract/slot_state.h"
#include "lib/core/context.h"
#include "lib/core/tensor_view.h"
#include "lib/model/config.h"
#include "lib/ops/forward_batch.h"

namespace eet {

// A weight matrix in the layout the device's matrix product wants.
// CUDA: [padded_out, in] row-major in T. CPU: fp32 panels (lib/ops/cpu/gemm.h).
struct LinearWeight {
  TensorView data = {};
  int64_t in_features = 0;
  int64_t out_features = 0;
  int64_t padded_out = 0;  // >= out_features; the rows past it are zero
};

// One layer's pages, each [num_pages, num_kv_heads, kPageSize, head_dim] in T.
struct KvLayer {
  TensorView keys;
  TensorView values;
};

// How a vector x of n elements is normalised: (x - mean) / sqrt(var + eps) * factor + bias, sums in
// fp32. LayerNorm: mean and variance over the n. RMSNorm (Zhang and Sennrich 2019): mean is 0 and
// var is mean(x²). kNone: x itself.
struct Norm {
  NormKind kind = NormKind::kRmsNorm;
  float eps = 0;
  float weight_offset = 0;  // the factor is weight_offset + weight, in fp32 (Gemma: 1 + w)
  TensorView weight = {};   // T; empty: the factor is 1
  TensorView bias = {};     // T; empty: none
};

// The norms of queries and of keys. A token's queries are cut into groups of q_width elements
// (head_dim, or all num_heads * head_dim), each normalised alone. Element j of all the queries has
// weight j % weight.numel(): one vector for every head, one for each, or one for the whole
// projection. Likewise the bias, and the keys. Both norms are of one kind. Without widths there is
// no norm.
struct QkNorm {
  Norm q;
  Norm k;
  int64_t q_width = 0;
  int64_t k_width = 0;
  explicit operator bool() const { return q_width > 0; }
};

// Rotary position embedding (Su et al. 2021): rotary_dim = 2 * table.dim(1) elements of a head turn
// and the others stay. Rotate-half pairs element i with i + rotary_dim/2, interleaved 2i with 2i+1.
struct RopeTable {
  TensorView table = {};  // fp32 [rows, rotary_dim/2, 2] (cos, sin); empty: nothing turns
  bool interleaved = false;
};

// A score is scale * q·k; then, where they are given, capped, shifted by ALiBi and hidden by the
// window.
struct AttentionShape {
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  float scale = 1.0F;
  int window = 0;         // a query at position p sees keys (p - window, p]; 0: all before it
  float softcap = 0;      // a score becomes softcap * tanh(score / softcap); 0: it stays
  TensorView sinks = {};  // fp32 [num_heads]: a logit that joins each softmax's denominator
  TensorView alibi_slopes = {};  // fp32 [num_heads]: score += slope * (key - query position)
};

// The tables of running rows (kernels/contract/slot_state.h), device memory.
struct SlotTables {
  SlotParams* params = nullptr;      // [max_num_seqs]
  SlotState* states = nullptr;       // [max_num_seqs]
  uint16_t* token_counts = nullptr;  // [max_num_seqs, vocab_size]
  const int32_t* prompts =
      nullptr;  // [max_num_seqs, prompts_stride]; null unless prompts are replayed
  int64_t prompts_stride = 0;
  int64_t vocab_size = 0;
};

namespace ops {

// out = normal deviates with `mean` and `stddev`, element i drawn from (seed, i) by Philox4x32-10
// and Box-Muller: for benchmarks without a checkpoint.
void fill_normal(const Context& ctx, TensorView out, float mean, float stddev, uint64_t seed);

// residual[t] = scale * token_table[token_ids[t]] + position_table[positions[t]] (where there is
// one). Pads and ended rows (position < 0) give zeros.
// residual: fp32 [tokens, hidden]; token_table: [vocab, hidden]; position_table: [positions,
// hidden].
void embed(const Context& ctx, TensorView residual, const int32_t* token_ids,
           const int32_t* positions, TensorView token_table, TensorView position_table,
           float scale = 1);

// out[i] = norm(x) of x = residual[t] + delta_scale * delta[t] (where a delta is given), t =
// rows[i]. Without rows t is i, and x is stored in residual[t]. out: T [n, hidden]; residual: fp32
// [tokens, hidden]; delta: T [tokens, hidden] or empty. Where a delta is given the operation before
// does not write the residual.
void add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
              const Norm& norm, float delta_scale = 1, const int32_t* rows = nullptr);

// add_norm() of post_norm(delta), which is not rounded in between. delta is not empty.
void post_norm_add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
                        const Norm& post_norm, const Norm& norm, float delta_scale = 1,
                        const int32_t* rows = nullptr);

// out[i] = norm(x[i]). out, x: T [n, width]; may be the same memory.
void norm(const Context& ctx, TensorView out, TensorView x, const Norm& norm);

// residual[t] = norm(residual[t]). residual: fp32 [tokens, hidden]; the norm's weights are in T.
void norm_residual(const Context& ctx, TensorView residual, const Norm& norm);

// residual[t] += scale * delta[t]. residual: fp32 [tokens, hidden]; delta: T [tokens, hidden].
void add_to_residual(const Context& ctx, TensorView residual, TensorView delta, float scale);

// out = x · weightᵀ + bias, accumulated in fp32. A row's result does not depend on n on the CPU.
// out: T or fp32 [n, padded_out]; x: T [n, in]; bias: T [out_features] or empty.
void linear(const Context& ctx, TensorView out, TensorView x, const LinearWeight& weight,
            TensorView bias);

// Lets linear() find the fastest way for products of as many rows as x has with weights like
// `weights`, once for each device and version (its bits stay); on the CPU there is but one way.
// Reads x, which is to be random; overwrites out.
void tune_linear(const Context& ctx, TensorView out, TensorView x,
                 std::span<const LinearWeight> weights, TensorView bias);
// The numbers of rows for which that pays in passes of up to `max_tokens` tokens.
std::vector<int64_t> rows_to_tune(const Context& ctx, int64_t max_tokens);

// activated = activation(linear(x)), to the bit. `up`: T [n, padded_out], room for the product
// where the device stores it.
void linear_activation(const Context& ctx, TensorView activated, TensorView up, TensorView x,
                       const LinearWeight& weight, TensorView bias, Activation kind, bool gated);

// Normalises q and k of every token in place, as comes before rope_append(). The order of the sums
// is that of rope_append() by the same `rope`.
// qkv: T [tokens, (heads + 2*kv_heads)*head_dim].
void qk_norm(const Context& ctx, TensorView qkv, const AttentionShape& shape, const QkNorm& norm,
             const RopeTable& rope = {});

// Normalises q and k of every token where there is a norm (qk_norm(), to the bit), turns them by
// the token's row of the table (batch.rope_positions), leaves q in place and stores k and v in the
// token's page. Pads are skipped. The operation before writes nothing of what is read but qkv.
// qkv: T [tokens, (heads + 2*kv_heads)*head_dim].
void rope_append(const Context& ctx, TensorView qkv, const KvLayer& kv, const ForwardBatch& batch,
                 const AttentionShape& shape, const RopeTable& rope, const QkNorm& norm = {});

// Memory of attention: attention_scratch_bytes that begin as zeros, as attention_scratch() lays
// them out.
size_t attention_scratch_bytes(const Context& ctx, const AttentionShape& shape, int max_num_seqs,
                               int64_t max_model_len);
AttentionScratch attention_scratch(void* memory, const AttentionShape& shape, int max_num_seqs);

// Memory in which decode attention reads pages that rows share once for all of them
// (AttentionScratch::prefix_states), or 0 where each row reads its own.
size_t prefix_states_bytes(const Context& ctx, DType dtype, const AttentionShape& shape,
                           int max_num_seqs);

// The longest context for which decode attention is issued as for one of context_len tokens.
int64_t longest_context_split_alike(const Context& ctx, int64_t context_len);

// Causal attention of every real query over its row's cached keys [0, position], read from pages,
// or over those of them in the window; softmax in fp32. Pages that lie wholly before the window of
// all of a row's queries are not read: their entries in the block table may be anything.
// out: T [tokens, heads*head_dim]; qkv: as rope_append left it (only q is read).
void attention(const Context& ctx, TensorView out, TensorView qkv, const KvLayer& kv,
               const ForwardBatch& batch, const AttentionShape& shape,
               const AttentionScratch& scratch);

// rope_append() and attention(), to the bit, but for qkv, which may stay as it was.
void append_attention(const Context& ctx, TensorView out, TensorView qkv, const KvLayer& kv,
                      const ForwardBatch& batch, const AttentionShape& shape, const RopeTable& rope,
                      const QkNorm& norm, const AttentionScratch& scratch);

// out = act(x[:, :I]) * x[:, I:] when gated (x: T [n, 2*I]), else act(x) (x: T [n, I], may be out).
// kReluSquared is max(x, 0)² (So et al. 2021).
void activation(const Context& ctx, TensorView out, TensorView x, Activation kind, bool gated);

// Starts a decode step over rows `row_slots`: fills token_ids, positions and context_lens
// [num_rows] from the slots' states. A slot still inside its prompt gets its next prompt token.
void prepare_decode(const Context& ctx, int32_t* token_ids, int32_t* positions,
                    int32_t* context_lens, const int32_t* row_slots, int num_rows,
                    const SlotTables& slots);

// Marks the prompt tokens that a pass feeds in token_counts. Pads are skipped. (Generated tokens
// that a replaying batch feeds may be marked too: repetition counts both kinds alike.)
void count_prompt_tokens(const Context& ctx, const SlotTables& slots, const int32_t* token_ids,
                         const int32_t* positions, const int32_t* token_slots, int num_tokens);

// Picks the next token of each row and advances its slot's state.
//
// logits: fp32 [n, stride >= vocab_size]; only the first vocab_size columns count.
// For row i with slot s = slots[i], in this order:
//  - state.status is not running: the token is kTokenNone, nothing changes.
//  - state.position + 1 < prompt_len (prompt replay): kTokenNone, position advances.
//  - a NaN or +inf logit, or all -inf: kTokenNonFinite, status = kNonFinite.
//  - penalties on the logits z: repetition over prompt and generated tokens (z > 0 ? z/r : z*r),
//    then z -= frequency * count + presence * (count > 0) over generated tokens. While
//    num_generated < min_tokens the stop ids are -inf.
//  - temperature 0: argmax, the lowest id on a tie. Otherwise z /= temperature, then keep
//    top_k (all z >= the k-th largest), of those top_p (all z >= the smallest member of the
//    smallest set of largest z whose mass reaches top_p of the kept mass; weights exp(z - max) are
//    summed as 64-bit fixed point, so the sum does not depend on order), of those min_p (p >= min_p
//    * p_max); and take argmax of z + g, g = -log(-log1p(-u)), u = (x + 0.5) * 2^-32, with x word
//    (id % 4) of Philox4x32-10 keyed by seed, counter (id / 4, num_generated, stream low, stream
//    high) (Salmon et al. 2011; the Gumbel-max trick).
//  - its log-probability = raw logit of the token - logsumexp(raw logits).
//  - state: next_token, position + 1, num_generated + 1, token_counts; status kStop when the token
//    is a stop id, else kLength when num_generated reaches max_tokens.
// Tokens and log-probabilities (0 where there is no token) go to the place of `sampled` after the
// last one, in the order of the rows. Slots must be distinct. `scratch` holds sample_scratch_bytes.
void sample(const Context& ctx, const SampledRing& sampled, TensorView logits, const int32_t* slots,
            const SlotTables& tables, void* scratch);
size_t sample_scratch_bytes(const Context& ctx, int max_num_seqs, int64_t vocab_size);

// logits = softcap * tanh(x / softcap) where softcap > 0, else x, of x = scale * (logits + bias).
// logits: fp32 [n, padded vocabulary]; bias: T [vocabulary] or empty.
void scale_logits(const Context& ctx, TensorView logits, TensorView bias, float scale,
                  float softcap);

// Scores a given token for each row of logits, of which the first vocab_size columns count:
// logprobs[i] = logit of targets[i] - logsumexp(logits); is_argmax[i] = 1 when greedy sampling
// would have chosen it (the lowest id on a tie), else 0. Where a logit is NaN or +inf, or all are
// -inf: logprobs[i] = NaN, is_argmax[i] = 0. logits: fp32 [n, stride >= vocab_size]; logprobs,
// is_argmax, targets: [n].
void score(const Context& ctx, float* logprobs, int32_t* is_argmax, TensorView logits,
           const int32_t* targets, int64_t vocab_size);

// The `count` likeliest tokens of each row of logits, of which the first vocab_size columns count:
// ids by falling logit, the lower one first on a tie, and logprobs = logit - logsumexp(logits), as
// sample and score have them. Where a logit is NaN or +inf, or all are -inf, logprobs are NaN.
// logits: fp32 [n, stride >= vocab_size]; ids, logprobs: [n, count], 1 <= count <= vocab_size.
void top_logprobs(const Context& ctx, int32_t* ids, float* logprobs, int count, TensorView logits,
                  int64_t vocab_size);

}  // namespace ops
}  // namespace eet
