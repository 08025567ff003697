#include <type_traits>

#include "kernels/attention_decode.h"
#include "kernels/attention_prefill.h"
#include "lib/core/error.h"
#include "lib/cuda/cuda_context.h"
#include "lib/ops/cuda/dispatch.h"
#include "lib/ops/cuda/ops_cuda.h"

namespace eet::ops::cuda {
namespace {

kernels::AttentionHeads attention_heads(const AttentionShape& shape) {
  return {shape.num_heads, shape.num_kv_heads, shape.head_dim, shape.scale};
}

kernels::ScoreRules score_rules(const AttentionShape& shape) {
  return {.window = shape.window,
          .softcap = shape.softcap,
          .sinks = shape.sinks.as<float>(),
          .alibi_slopes = shape.alibi_slopes.as<float>()};
}

void check_supported(const AttentionShape& shape) {
  require(shape.head_dim % 8 == 0 && shape.head_dim > 0 &&
              shape.head_dim <= kernels::kMaxAttentionHeadDim,
          "attention on CUDA: expected head_dim in multiples of 8 up to ",
          kernels::kMaxAttentionHeadDim, ", got ", shape.head_dim, "; use --device cpu");
  require(shape.num_kv_heads > 0 && shape.num_heads % shape.num_kv_heads == 0,
          "attention on CUDA: expected num_heads to be a multiple of num_kv_heads, got ",
          shape.num_heads, " for ", shape.num_kv_heads, "; use --device cpu");
  require(shape.scale > 0, "attention on CUDA: expected a positive scale, got ", shape.scale);
}

template <typename T>
kernels::PagedKv<T> paged_kv(const KvLayer& kv, const ForwardBatch& batch) {
  return {.keys = kv.keys.as<T>(),
          .values = kv.values.as<T>(),
          .num_pages = kv.keys.dim(0),
          .block_tables = batch.block_tables,
          .block_table_stride = batch.block_table_stride,
          .row_slots = batch.row_slots,
          .context_lens = batch.context_lens};
}

}  // namespace

void attention(const Context& ctx, TensorView out, TensorView qkv, const KvLayer& kv,
               const ForwardBatch& batch, const AttentionShape& shape,
               const AttentionScratch& scratch) {
  check_supported(shape);
  const kernels::AttentionHeads heads = attention_heads(shape);
  const kernels::ScoreRules rules = score_rules(shape);
  dispatch(qkv.dtype, [&]<typename T>() {
    const kernels::PagedKv<T> paged = paged_kv<T>(kv, batch);
    if (batch.decode) {
      kernels::attention_decode(out.as<T>(), scratch, qkv.as<T>(), paged, heads, rules,
                                batch.num_rows, batch.max_context_len, ctx.cuda->stream());
    } else {
      kernels::attention_prefill(out.as<T>(), qkv.as<T>(), paged, heads, rules, batch.cu_seqlens,
                                 batch.pad_counts, batch.num_rows, batch.max_query_len,
                                 ctx.cuda->stream());
    }
  });
}

bool try_append_attention(const Context& ctx, TensorView out, TensorView qkv, const KvLayer& kv,
                          const ForwardBatch& batch, const AttentionShape& shape,
                          const RopeTable& rope, const QkNorm& norm,
                          const AttentionScratch& scratch) {
  check_supported(shape);
  const kernels::AttentionHeads heads = attention_heads(shape);
  const kernels::ScoreRules rules = score_rules(shape);
  const kernels::Rope turn = to_kernel(rope, batch);
  if (qkv.dtype == DType::kF32 || !kernels::can_append(heads, rules, turn)) return false;
  if (norm) qk_norm(ctx, qkv, shape, norm, rope);
  dispatch(qkv.dtype, [&]<typename T>() {
    if constexpr (!std::is_same_v<T, float>) {
      kernels::attention_decode_append(
          out.as<T>(), scratch, qkv.as<T>(), paged_kv<T>(kv, batch),
          {.keys = kv.keys.as<T>(), .values = kv.values.as<T>(), .rope = turn}, batch.prefixes,
          heads, rules, batch.num_rows, batch.max_context_len, ctx.cuda->stream());
    }
  });
  return true;
}

size_t attention_partials_bytes(const Context& /*ctx*/, const AttentionShape& shape,
                                int max_num_seqs, int64_t max_model_len) {
  return kernels::attention_decode_partials_bytes(attention_heads(shape), shape.window,
                                                  max_num_seqs, max_model_len);
}

size_t prefix_states_bytes(const Context& /*ctx*/, DType dtype, const AttentionShape& shape,
                           int max_num_seqs) {
  const kernels::AttentionHeads heads = attention_heads(shape);
  if (dtype == DType::kF32 || !kernels::reads_prefixes_once(heads, {}, {})) return 0;
  return kernels::attention_decode_prefix_bytes(heads, max_num_seqs);
}

int64_t longest_context_split_alike(const Context& /*ctx*/, int64_t context_len) {
  return kernels::longest_context_split_alike(context_len);
}

}  // namespace eet::ops::cuda
