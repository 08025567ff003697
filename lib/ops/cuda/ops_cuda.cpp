#include "lib/ops/cuda/ops_cuda.h"

#include "kernels/activation.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/norm.h"
#include "kernels/norm_rows.h"
#include "kernels/post_norm.h"
#include "kernels/qk_norm.h"
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

kernels::NormKind to_kernel(NormKind kind) {
  switch (kind) {
    case NormKind::kRmsNorm:
      return kernels::NormKind::kRms;
    case NormKind::kLayerNorm:
      return kernels::NormKind::kLayer;
    case NormKind::kNone:
      break;
  }
  return kernels::NormKind::kNone;
}

template <typename W>
kernels::Norm<W> to_kernel(const Norm& norm) {
  return {.kind = to_kernel(norm.kind),
          .eps = norm.eps,
          .weight_offset = norm.weight_offset,
          .weight = norm.weight.as<W>(),
          .bias = norm.bias.as<W>()};
}

template <typename T>
kernels::QkNorm<T> to_kernel(const QkNorm& norm, const AttentionShape& shape) {
  const auto of_heads = [&](const Norm& each) -> kernels::HeadNorm<T> {
    const TensorView& vector = each.weight ? each.weight : each.bias;
    const bool is_shared = !vector || vector.numel() == shape.head_dim;
    return {.norm = to_kernel<T>(each), .stride = is_shared ? 0 : shape.head_dim};
  };
  return {.q = of_heads(norm.q),
          .k = of_heads(norm.k),
          .by_head = norm.q_width == shape.head_dim && norm.k_width == shape.head_dim};
}

kernels::QkvShape to_kernel(const AttentionShape& shape) {
  return {
      .num_heads = shape.num_heads, .num_kv_heads = shape.num_kv_heads, .head_dim = shape.head_dim};
}

kernels::KvDestination destination_of(const ForwardBatch& batch) {
  return {.positions = batch.positions,
          .token_slots = batch.token_slots,
          .block_tables = batch.block_tables,
          .block_table_stride = batch.block_table_stride};
}

// The device type of a norm's weights, which are of the compute type; of `other` where it has none.
DType weight_type(const Norm& norm, DType other) {
  return norm.weight ? norm.weight.dtype : norm.bias ? norm.bias.dtype : other;
}

void check_width(int64_t width, const char* what) {
  require(width <= kernels::kMaxNormHidden, what, " on CUDA: expected at most ",
          kernels::kMaxNormHidden, " elements to a norm, got ", width, "; use --device cpu");
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
  dispatch(token_table.dtype, [&]<typename T>() {
    kernels::embed(residual.as<float>(), token_ids, positions, token_table.as<T>(),
                   position_table.as<T>(), scale, to_int(residual.dim(0)), to_int(residual.dim(1)),
                   ctx.cuda->stream());
  });
}

void add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
              const Norm& norm, float delta_scale, const int32_t* rows) {
  check_width(residual.dim(1), "add_norm");
  dispatch(out.dtype, [&]<typename T>() {
    kernels::add_norm(out.as<T>(), residual.as<float>(), delta.as<T>(), delta_scale,
                      to_kernel<T>(norm), rows, to_int(out.dim(0)), to_int(out.dim(1)),
                      ctx.cuda->stream());
  });
}

void post_norm_add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
                        const Norm& post_norm, const Norm& norm, float delta_scale,
                        const int32_t* rows) {
  check_width(residual.dim(1), "post_norm_add_norm");
  dispatch(out.dtype, [&]<typename T>() {
    kernels::post_norm_add_norm(out.as<T>(), residual.as<float>(), delta.as<T>(), delta_scale,
                                to_kernel<T>(post_norm), to_kernel<T>(norm), rows,
                                to_int(out.dim(0)), to_int(out.dim(1)), ctx.cuda->stream());
  });
}

void norm(const Context& ctx, TensorView out, TensorView x, const Norm& norm) {
  const int64_t width = x.dim(1);
  check_width(width, "norm");
  dispatch(x.dtype, [&]<typename T>() {
    kernels::norm_rows(out.as<T>(), x.as<T>(), to_int(x.dim(0)), to_int(width), to_kernel<T>(norm),
                       ctx.cuda->stream());
  });
}

void norm_residual(const Context& ctx, TensorView residual, const Norm& norm) {
  const int64_t width = residual.dim(1);
  check_width(width, "norm_residual");
  dispatch(weight_type(norm, DType::kF32), [&]<typename W>() {
    auto* x = residual.as<float>();
    kernels::norm_rows(x, x, to_int(residual.dim(0)), to_int(width), to_kernel<W>(norm),
                       ctx.cuda->stream());
  });
}

void add_to_residual(const Context& ctx, TensorView residual, TensorView delta, float scale) {
  dispatch(delta.dtype, [&]<typename T>() {
    kernels::add_scaled(residual.as<float>(), delta.as<T>(), scale, residual.numel(),
                        ctx.cuda->stream());
  });
}

void qk_norm(const Context& ctx, TensorView qkv, const AttentionShape& shape, const QkNorm& norm,
             const RopeTable& rope) {
  dispatch(qkv.dtype, [&]<typename T>() {
    kernels::qk_norm(qkv.as<T>(), to_int(qkv.dim(0)), to_kernel(shape), to_kernel(rope, {}),
                     to_kernel<T>(norm, shape), ctx.cuda->stream());
  });
}

void scale_logits(const Context& ctx, TensorView logits, TensorView bias, float scale,
                  float softcap) {
  dispatch(bias ? bias.dtype : DType::kF32, [&]<typename T>() {
    kernels::scale_logits(logits.as<float>(), bias.as<T>(), to_int(bias ? bias.numel() : 0), scale,
                          softcap, logits.numel(), to_int(logits.dim(1)), ctx.cuda->stream());
  });
}

void rope_append(const Context& ctx, TensorView qkv, const KvLayer& kv, const ForwardBatch& batch,
                 const AttentionShape& shape, const RopeTable& rope) {
  dispatch(qkv.dtype, [&]<typename T>() {
    kernels::rope_append(qkv.as<T>(), kv.keys.as<T>(), kv.values.as<T>(), destination_of(batch),
                         batch.num_tokens, to_kernel(shape), to_kernel(rope, batch),
                         ctx.cuda->stream());
  });
}

void qk_norm_rope_append(const Context& ctx, TensorView qkv, const KvLayer& kv,
                         const ForwardBatch& batch, const AttentionShape& shape,
                         const RopeTable& rope, const QkNorm& norm) {
  dispatch(qkv.dtype, [&]<typename T>() {
    kernels::qk_norm_rope_append(
        qkv.as<T>(), kv.keys.as<T>(), kv.values.as<T>(), destination_of(batch), batch.num_tokens,
        to_kernel(shape), to_kernel(rope, batch), to_kernel<T>(norm, shape), ctx.cuda->stream());
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
