// Checks shapes, then runs the operation on the context's device.
#include "lib/ops/ops.h"

#include <cstddef>

#include "lib/core/error.h"
#include "lib/ops/cpu/ops_cpu.h"
#if EET_HAVE_CUDA
#include "lib/ops/cuda/ops_cuda.h"
#define EET_DISPATCH(call) return ctx.on_cuda() ? cuda::call : cpu::call
#else
#define EET_DISPATCH(call) return cpu::call
#endif

namespace eet::ops {
namespace {

// A mismatch here is a mistake of ours, not of a user: what() names the operation.
void check(bool condition, const char* what, const TensorView& got) {
  require(condition, "internal error: ", what, ": got ", describe(got));
}

// Compute type and layout: rank 2, and fp32 on the CPU.
void check_matrix(const Context& ctx, const TensorView& x, int64_t columns, const char* what) {
  check(x.rank == 2 && x.dim(1) == columns && (ctx.on_cuda() || x.dtype == DType::kF32), what, x);
}

// Weights and biases of n elements.
void check_norm(const Norm& norm, int64_t n, const char* what) {
  for (const TensorView& vector : {norm.weight, norm.bias}) {
    check(!vector || vector.numel() == n, what, vector);
  }
}

void check_add_norm(const Context& ctx, const TensorView& out, const TensorView& residual,
                    const TensorView& delta, const Norm& norm, const int32_t* rows) {
  const int64_t hidden = residual.dim(1);
  check(residual.rank == 2 && residual.dtype == DType::kF32, "add_norm: residual", residual);
  check_matrix(ctx, out, hidden, "add_norm: out");
  check(!delta || (delta.dim(1) == hidden && delta.dim(0) == residual.dim(0)), "add_norm: delta",
        delta);
  check_norm(norm, hidden, "add_norm: weight or bias");
  check(rows != nullptr || out.dim(0) == residual.dim(0), "add_norm: out rows", out);
}

// One fp32 number for each query head, or none.
void check_per_head(const TensorView& numbers, const AttentionShape& shape, const char* what) {
  check(!numbers || (numbers.dtype == DType::kF32 && numbers.numel() == shape.num_heads), what,
        numbers);
}

void check_rope(const RopeTable& rope, const AttentionShape& shape) {
  const TensorView& table = rope.table;
  check(!table || (table.dtype == DType::kF32 && table.rank == 3 && table.dim(2) == 2 &&
                   table.dim(1) > 0 && 2 * table.dim(1) <= shape.head_dim),
        "rope: table", table);
}

// Weights and biases of `width` elements are one head's, or those of all `size`.
void check_head_norm(const Norm& norm, int64_t width, int64_t size, int head_dim,
                     const char* what) {
  require(width == head_dim || width == size, "internal error: ", what, ": groups of ", width,
          " elements of ", size, " in heads of ", head_dim);
  for (const TensorView& vector : {norm.weight, norm.bias}) {
    check(!vector || vector.numel() == head_dim || vector.numel() == size, what, vector);
  }
  check(!norm.weight || !norm.bias || norm.weight.numel() == norm.bias.numel(), what, norm.bias);
}

void check_qk_norm(const QkNorm& norm, const AttentionShape& shape) {
  const auto size_of = [&](int heads) { return static_cast<int64_t>(heads) * shape.head_dim; };
  check_head_norm(norm.q, norm.q_width, size_of(shape.num_heads), shape.head_dim, "qk_norm: q");
  check_head_norm(norm.k, norm.k_width, size_of(shape.num_kv_heads), shape.head_dim, "qk_norm: k");
  require(norm.q.kind == norm.k.kind && norm.q.kind != NormKind::kNone,
          "internal error: qk_norm: q and k have different norms, or none");
}

void check_qkv(const Context& ctx, const TensorView& qkv, const ForwardBatch& batch,
               const AttentionShape& shape, const KvLayer& kv) {
  const int64_t heads = shape.num_heads + 2 * static_cast<int64_t>(shape.num_kv_heads);
  check_matrix(ctx, qkv, heads * shape.head_dim, "attention: qkv");
  check(qkv.dim(0) == batch.num_tokens, "attention: qkv rows", qkv);
  check(kv.keys.rank == 4 && kv.keys.dtype == qkv.dtype && kv.keys.dim(2) == kPageSize &&
            kv.keys.dim(1) == shape.num_kv_heads && kv.keys.dim(3) == shape.head_dim,
        "attention: pages", kv.keys);
}

void check_scores(const AttentionShape& shape) {
  check_per_head(shape.sinks, shape, "attention: sinks");
  check_per_head(shape.alibi_slopes, shape, "attention: ALiBi slopes");
  require(shape.window >= 0, "internal error: attention: window: got ", shape.window);
  require(shape.softcap >= 0, "internal error: attention: softcap: got ", shape.softcap);
}

size_t attention_partials_bytes(const Context& ctx, const AttentionShape& shape, int max_num_seqs,
                                int64_t max_model_len) {
  EET_DISPATCH(attention_partials_bytes(ctx, shape, max_num_seqs, max_model_len));
}

// Blocks of decode attention that a row's query heads are parted into, at most.
size_t head_blocks(const AttentionShape& shape) {
  const int group = shape.num_heads / shape.num_kv_heads;
  return static_cast<size_t>(shape.num_kv_heads) * ((group + kHeadsPerBlock - 1) / kHeadsPerBlock);
}

// What is after them is aligned to 16 bytes.
size_t arrivals_bytes(const AttentionShape& shape, int max_num_seqs) {
  const auto count = static_cast<size_t>(max_num_seqs) * head_blocks(shape);
  return (count + 3) / 4 * 4 * sizeof(uint32_t);
}

void attend(const Context& ctx, TensorView out, TensorView qkv, const KvLayer& kv,
            const ForwardBatch& batch, const AttentionShape& shape,
            const AttentionScratch& scratch) {
  if (batch.num_tokens == 0) return;
  EET_DISPATCH(attention(ctx, out, qkv, kv, batch, shape, scratch));
}

// The rows of a decode step that feed a token of their prompt, as a prompt pass of one token each.
ForwardBatch prompt_rows(const ForwardBatch& batch) {
  ForwardBatch part = batch;
  part.decode = false;
  part.num_rows = part.num_tokens = batch.num_prompt_rows;
  part.max_query_len = 1;
  part.num_prompt_rows = 0;
  return part;
}

// The other rows of that step.
ForwardBatch generating_rows(const ForwardBatch& batch) {
  ForwardBatch part = batch;
  part.num_rows = part.num_tokens = batch.num_rows - batch.num_prompt_rows;
  part.token_ids += batch.num_prompt_rows;
  part.positions += batch.num_prompt_rows;
  if (part.rope_positions != nullptr) part.rope_positions += batch.num_prompt_rows;
  part.token_slots += batch.num_prompt_rows;
  part.row_slots += batch.num_prompt_rows;
  part.context_lens += batch.num_prompt_rows;
  part.num_prompt_rows = 0;
  return part;
}

// Rows [first, ...) of a matrix.
TensorView from_row(const TensorView& matrix, int64_t first) {
  TensorView view = matrix.first(matrix.dim(0) - first);
  view.data = matrix.as<std::byte>() +
              first * matrix.dim(1) * static_cast<int64_t>(dtype_size(matrix.dtype));
  return view;
}

}  // namespace

void fill_normal(const Context& ctx, TensorView out, float mean, float stddev, uint64_t seed) {
  EET_DISPATCH(fill_normal(ctx, out, mean, stddev, seed));
}

void embed(const Context& ctx, TensorView residual, const int32_t* token_ids,
           const int32_t* positions, TensorView token_table, TensorView position_table,
           float scale) {
  check(residual.rank == 2 && residual.dtype == DType::kF32, "embed: residual", residual);
  check(token_table.rank == 2 && token_table.dim(1) == residual.dim(1), "embed: token table",
        token_table);
  check(!position_table || position_table.dim(1) == residual.dim(1), "embed: position table",
        position_table);
  if (residual.dim(0) == 0) return;
  EET_DISPATCH(embed(ctx, residual, token_ids, positions, token_table, position_table, scale));
}

void add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
              const Norm& norm, float delta_scale, const int32_t* rows) {
  check_add_norm(ctx, out, residual, delta, norm, rows);
  if (out.dim(0) == 0) return;
  EET_DISPATCH(add_norm(ctx, out, residual, delta, norm, delta_scale, rows));
}

void post_norm_add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
                        const Norm& post_norm, const Norm& norm, float delta_scale,
                        const int32_t* rows) {
  check_add_norm(ctx, out, residual, delta, norm, rows);
  check_matrix(ctx, delta, residual.dim(1), "post_norm_add_norm: delta");
  check_norm(post_norm, residual.dim(1), "post_norm_add_norm: weight or bias");
  if (out.dim(0) == 0) return;
  EET_DISPATCH(post_norm_add_norm(ctx, out, residual, delta, post_norm, norm, delta_scale, rows));
}

void norm(const Context& ctx, TensorView out, TensorView x, const Norm& norm) {
  check_matrix(ctx, x, out.dim(1), "norm: x");
  check(out.rank == 2 && out.dtype == x.dtype && out.dim(0) == x.dim(0), "norm: out", out);
  check_norm(norm, x.dim(1), "norm: weight or bias");
  if (out.dim(0) == 0) return;
  EET_DISPATCH(norm(ctx, out, x, norm));
}

void norm_residual(const Context& ctx, TensorView residual, const Norm& norm) {
  check(residual.rank == 2 && residual.dtype == DType::kF32, "norm_residual: residual", residual);
  check_norm(norm, residual.dim(1), "norm_residual: weight or bias");
  if (residual.dim(0) == 0) return;
  EET_DISPATCH(norm_residual(ctx, residual, norm));
}

void add_to_residual(const Context& ctx, TensorView residual, TensorView delta, float scale) {
  check(residual.rank == 2 && residual.dtype == DType::kF32, "add_to_residual: residual", residual);
  check_matrix(ctx, delta, residual.dim(1), "add_to_residual: delta");
  check(delta.dim(0) == residual.dim(0), "add_to_residual: delta rows", delta);
  if (residual.dim(0) == 0) return;
  EET_DISPATCH(add_to_residual(ctx, residual, delta, scale));
}

void qk_norm(const Context& ctx, TensorView qkv, const AttentionShape& shape, const QkNorm& norm,
             const RopeTable& rope) {
  const int64_t heads = shape.num_heads + 2 * static_cast<int64_t>(shape.num_kv_heads);
  check_matrix(ctx, qkv, heads * shape.head_dim, "qk_norm: qkv");
  check_qk_norm(norm, shape);
  check_rope(rope, shape);
  if (qkv.dim(0) == 0) return;
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) return cuda::qk_norm(ctx, qkv, shape, norm, rope);
#endif
  cpu::qk_norm(ctx, qkv, shape, norm);
}

void linear(const Context& ctx, TensorView out, TensorView x, const LinearWeight& weight,
            TensorView bias) {
  check_matrix(ctx, x, weight.in_features, "linear: x");
  check_matrix(ctx, out, weight.padded_out, "linear: out");
  check(out.dim(0) == x.dim(0), "linear: out rows", out);
  check(!bias || bias.numel() == weight.out_features, "linear: bias", bias);
  if (out.dim(0) == 0) return;
  EET_DISPATCH(linear(ctx, out, x, weight, bias));
}

void tune_linear(const Context& ctx, TensorView out, TensorView x,
                 std::span<const LinearWeight> weights, TensorView bias) {
  check_matrix(ctx, x, weights.front().in_features, "tune: x");
  check_matrix(ctx, out, weights.front().padded_out, "tune: out");
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) cuda::tune_linear(ctx, out, x, weights, bias);
#else
  static_cast<void>(bias);
#endif
}

std::vector<int64_t> rows_to_tune(const Context& ctx, int64_t max_tokens) {
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) return cuda::rows_to_tune(max_tokens);
#endif
  static_cast<void>(ctx), static_cast<void>(max_tokens);
  return {};
}

void linear_activation(const Context& ctx, TensorView activated, TensorView up, TensorView x,
                       const LinearWeight& weight, TensorView bias, Activation kind, bool gated) {
#if EET_HAVE_CUDA
  if (ctx.on_cuda() && cuda::try_linear_activation(ctx, activated, x, weight, bias, kind, gated)) {
    return;
  }
#endif
  linear(ctx, up, x, weight, bias);
  activation(ctx, activated, up, kind, gated);
}

void rope_append(const Context& ctx, TensorView qkv, const KvLayer& kv, const ForwardBatch& batch,
                 const AttentionShape& shape, const RopeTable& rope, const QkNorm& norm) {
  check_qkv(ctx, qkv, batch, shape, kv);
  check_rope(rope, shape);
  if (norm) check_qk_norm(norm, shape);
  if (batch.num_tokens == 0) return;
  if (norm) EET_DISPATCH(qk_norm_rope_append(ctx, qkv, kv, batch, shape, rope, norm));
  EET_DISPATCH(rope_append(ctx, qkv, kv, batch, shape, rope));
}

void attention(const Context& ctx, TensorView out, TensorView qkv, const KvLayer& kv,
               const ForwardBatch& batch, const AttentionShape& shape,
               const AttentionScratch& scratch) {
  check_qkv(ctx, qkv, batch, shape, kv);
  check_scores(shape);
  check_matrix(ctx, out, static_cast<int64_t>(shape.num_heads) * shape.head_dim, "attention: out");
  if (batch.decode && batch.num_prompt_rows > 0) {
    const int64_t rows = batch.num_prompt_rows;
    attend(ctx, out.first(rows), qkv.first(rows), kv, prompt_rows(batch), shape, scratch);
    attend(ctx, from_row(out, rows), from_row(qkv, rows), kv, generating_rows(batch), shape,
           scratch);
    return;
  }
  attend(ctx, out, qkv, kv, batch, shape, scratch);
}

void append_attention(const Context& ctx, TensorView out, TensorView qkv, const KvLayer& kv,
                      const ForwardBatch& batch, const AttentionShape& shape, const RopeTable& rope,
                      const QkNorm& norm, const AttentionScratch& scratch) {
#if EET_HAVE_CUDA
  check_qkv(ctx, qkv, batch, shape, kv);
  check_scores(shape);
  check_rope(rope, shape);
  if (norm) check_qk_norm(norm, shape);
  const bool generates = batch.decode && batch.num_prompt_rows == 0;
  if (ctx.on_cuda() && generates && batch.num_tokens > 0 &&
      cuda::try_append_attention(ctx, out, qkv, kv, batch, shape, rope, norm, scratch)) {
    return;
  }
#endif
  rope_append(ctx, qkv, kv, batch, shape, rope, norm);
  attention(ctx, out, qkv, kv, batch, shape, scratch);
}

size_t attention_scratch_bytes(const Context& ctx, const AttentionShape& shape, int max_num_seqs,
                               int64_t max_model_len) {
  const size_t partials = attention_partials_bytes(ctx, shape, max_num_seqs, max_model_len);
  return partials == 0 ? 0 : arrivals_bytes(shape, max_num_seqs) + partials;
}

AttentionScratch attention_scratch(void* memory, const AttentionShape& shape, int max_num_seqs) {
  if (memory == nullptr) return {};
  return {.arrivals = static_cast<uint32_t*>(memory),
          .partials = static_cast<std::byte*>(memory) + arrivals_bytes(shape, max_num_seqs)};
}

size_t prefix_states_bytes(const Context& ctx, DType dtype, const AttentionShape& shape,
                           int max_num_seqs) {
  EET_DISPATCH(prefix_states_bytes(ctx, dtype, shape, max_num_seqs));
}

int64_t longest_context_split_alike(const Context& ctx, int64_t context_len) {
  EET_DISPATCH(longest_context_split_alike(ctx, context_len));
}

void activation(const Context& ctx, TensorView out, TensorView x, Activation kind, bool gated) {
  check(out.rank == 2 && out.dtype == x.dtype, "activation: out", out);
  check_matrix(ctx, x, out.dim(1) * (gated ? 2 : 1), "activation: x");
  if (out.dim(0) == 0) return;
  EET_DISPATCH(activation(ctx, out, x, kind, gated));
}

void prepare_decode(const Context& ctx, int32_t* token_ids, int32_t* positions,
                    int32_t* context_lens, const int32_t* row_slots, int num_rows,
                    const SlotTables& slots) {
  if (num_rows == 0) return;
  EET_DISPATCH(prepare_decode(ctx, token_ids, positions, context_lens, row_slots, num_rows, slots));
}

void count_prompt_tokens(const Context& ctx, const SlotTables& slots, const int32_t* token_ids,
                         const int32_t* positions, const int32_t* token_slots, int num_tokens) {
  if (num_tokens == 0) return;
  EET_DISPATCH(count_prompt_tokens(ctx, slots, token_ids, positions, token_slots, num_tokens));
}

void sample(const Context& ctx, const SampledRing& sampled, TensorView logits, const int32_t* slots,
            const SlotTables& tables, void* scratch) {
  check(logits.rank == 2 && logits.dtype == DType::kF32 && logits.dim(1) >= tables.vocab_size,
        "sample: logits", logits);
  if (logits.dim(0) == 0) return;
  EET_DISPATCH(sample(ctx, sampled, logits, slots, tables, scratch));
}

void scale_logits(const Context& ctx, TensorView logits, TensorView bias, float scale,
                  float softcap) {
  check(logits.rank == 2 && logits.dtype == DType::kF32, "scale_logits: logits", logits);
  check(!bias || bias.numel() <= logits.dim(1), "scale_logits: bias", bias);
  require(softcap >= 0, "internal error: scale_logits: softcap: got ", softcap);
  if (logits.numel() == 0) return;
  EET_DISPATCH(scale_logits(ctx, logits, bias, scale, softcap));
}

void score(const Context& ctx, float* logprobs, int32_t* is_argmax, TensorView logits,
           const int32_t* targets, int64_t vocab_size) {
  check(logits.rank == 2 && logits.dtype == DType::kF32 && logits.dim(1) >= vocab_size,
        "score: logits", logits);
  if (logits.dim(0) == 0) return;
  EET_DISPATCH(score(ctx, logprobs, is_argmax, logits, targets, vocab_size));
}

void top_logprobs(const Context& ctx, int32_t* ids, float* logprobs, int count, TensorView logits,
                  int64_t vocab_size) {
  check(logits.rank == 2 && logits.dtype == DType::kF32 && logits.dim(1) >= vocab_size,
        "top_logprobs: logits", logits);
  require(count >= 1 && count <= vocab_size, "internal error: top_logprobs: count: got ", count);
  if (logits.dim(0) == 0) return;
  EET_DISPATCH(top_logprobs(ctx, ids, logprobs, count, logits, vocab_size));
}

size_t sample_scratch_bytes(const Context& ctx, int max_num_seqs, int64_t vocab_size) {
  EET_DISPATCH(sample_scratch_bytes(ctx, max_num_seqs, vocab_size));
}

}  // namespace eet::ops
