#include "lib/ops/cuda/ops_cuda.h"

#include "kernels/activation.h"
#include "kernels/embedding.h"
#include "kernels/norm.h"
#include "kernels/random.h"
#include "kernels/rope_append.h"
#include "kernels/step.h"
#include "lib/core/error.h"
#include "lib/cuda/cuda_context.h"
#include "lib/ops/cuda/dispatch.h"

namespace eet::ops::cuda {
namespace {

// Rows, heads and columns fit an int: memory ends long before.
int to_int(int64_t size) {
  return static_cast<int>(size);
}

kernels::Norm to_kernel(NormKind kind) {
  require(kind != NormKind::kNone, "norms on CUDA: expected RMSNorm or LayerNorm");
  return kind == NormKind::kRmsNorm ? kernels::Norm::kRms : kernels::Norm::kLayer;
}

[[noreturn]] void refuse(const char* operation) {
  throw Error(concat(operation, " has no CUDA kernel; use --device cpu"));
}

}  // namespace

void fill_normal(const Context& ctx, TensorView out, float mean, float stddev, uint64_t seed) {
  dispatch(out.dtype, [&]<typename T>() {
    kernels::fill_normal(out.as<T>(), out.numel(), mean, stddev, seed, ctx.cuda->stream());
  });
}

void embed(const Context& ctx, TensorView residual, const int32_t* token_ids,
           const int32_t* positions, TensorView token_table, TensorView position_table,
           float scale) {
  if (scale != 1) refuse("embed with a scale");
  dispatch(token_table.dtype, [&]<typename T>() {
    kernels::embed(residual.as<float>(), token_ids, positions, token_table.as<T>(),
                   position_table.as<T>(), to_int(residual.dim(0)), to_int(residual.dim(1)),
                   ctx.cuda->stream());
  });
}

void add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
              const Norm& norm, float delta_scale, const int32_t* rows) {
  if (delta_scale != 1 || norm.weight_offset != 0 || !norm.weight) refuse("this kind of norm");
  require(residual.dim(1) <= kernels::kMaxNormHidden,
          "add_norm: expected a hidden size of at most ", kernels::kMaxNormHidden, ", got ",
          residual.dim(1));
  dispatch(out.dtype, [&]<typename T>() {
    kernels::add_norm(out.as<T>(), residual.as<float>(), delta.as<T>(), norm.weight.as<T>(),
                      norm.bias.as<T>(), rows, to_int(out.dim(0)), to_int(out.dim(1)),
                      to_kernel(norm.kind), norm.eps, ctx.cuda->stream());
  });
}

void norm(const Context&, TensorView, TensorView, const Norm&) {
  refuse("norm");
}
void norm_residual(const Context&, TensorView, const Norm&) {
  refuse("norm_residual");
}
void add_to_residual(const Context&, TensorView, TensorView, float) {
  refuse("add_to_residual");
}
void qk_norm(const Context&, TensorView, const AttentionShape&, const QkNorm&) {
  refuse("qk_norm");
}
void scale_logits(const Context&, TensorView, float, float) {
  refuse("scale_logits");
}

void rope_append(const Context& ctx, TensorView qkv, const KvLayer& kv, const ForwardBatch& batch,
                 const AttentionShape& shape, const RopeTable& rope) {
  if (rope.interleaved || (rope.table && 2 * rope.table.dim(1) != shape.head_dim) ||
      batch.rope_positions != nullptr) {
    refuse("this kind of rotary embedding");
  }
  const kernels::KvDestination destination{.positions = batch.positions,
                                           .token_slots = batch.token_slots,
                                           .block_tables = batch.block_tables,
                                           .block_table_stride = batch.block_table_stride};
  const kernels::QkvShape heads{
      .num_heads = shape.num_heads, .num_kv_heads = shape.num_kv_heads, .head_dim = shape.head_dim};
  dispatch(qkv.dtype, [&]<typename T>() {
    kernels::rope_append(qkv.as<T>(), kv.keys.as<T>(), kv.values.as<T>(), destination,
                         batch.num_tokens, heads, rope.table.as<float>(), ctx.cuda->stream());
  });
}

void activation(const Context& ctx, TensorView out, TensorView x, Activation kind, bool gated) {
  dispatch(out.dtype, [&]<typename T>() {
    const auto run = gated ? kernels::gated_activation<T> : kernels::activation<T>;
    run(out.as<T>(), x.as<T>(), to_int(out.dim(0)), out.dim(1), to_kernel(kind),
        ctx.cuda->stream());
  });
}

void prepare_decode(const Context& ctx, int32_t* token_ids, int32_t* positions,
                    int32_t* context_lens, const int32_t* row_slots, int num_rows,
                    const SlotTables& slots) {
  kernels::prepare_decode(token_ids, positions, context_lens, row_slots, num_rows, slots.params,
                          slots.states, slots.prompts, slots.prompts_stride, ctx.cuda->stream());
}

void count_prompt_tokens(const Context& ctx, const SlotTables& slots, const int32_t* token_ids,
                         const int32_t* positions, const int32_t* token_slots, int num_tokens) {
  kernels::count_prompt_tokens(slots.token_counts, slots.vocab_size, token_ids, positions,
                               token_slots, num_tokens, ctx.cuda->stream());
}

}  // namespace eet::ops::cuda
