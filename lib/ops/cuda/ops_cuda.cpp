#include "lib/ops/cuda/ops_cuda.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/norm.h"
#include "kernels/norm_groups.h"
#include "kernels/post_norm.h"
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

// Groups of `width` of the `size` elements of a row from `first` on.
template <typename W>
kernels::NormGroups<W> groups_of(const Norm& norm, int64_t first, int64_t size, int64_t width) {
  const auto count = [](const TensorView& vector) { return vector ? to_int(vector.numel()) : 0; };
  return {.first = to_int(first),
          .count = to_int(size / width),
          .width = to_int(width),
          .norm = to_kernel<W>(norm),
          .num_weights = count(norm.weight),
          .num_biases = count(norm.bias)};
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
    kernels::norm_groups(out.as<T>(), x.as<T>(), to_int(x.dim(0)), width,
                         groups_of<T>(norm, 0, width, width), kernels::NormGroups<T>{},
                         ctx.cuda->stream());
  });
}

void norm_residual(const Context& ctx, TensorView residual, const Norm& norm) {
  const int64_t width = residual.dim(1);
  check_width(width, "norm_residual");
  dispatch(weight_type(norm, DType::kF32), [&]<typename W>() {
    auto* x = residual.as<float>();
    kernels::norm_groups(x, x, to_int(residual.dim(0)), width, groups_of<W>(norm, 0, width, width),
                         kernels::NormGroups<W>{}, ctx.cuda->stream());
  });
}

void add_to_residual(const Context& ctx, TensorView residual, TensorView delta, float scale) {
  dispatch(delta.dtype, [&]<typename T>() {
    kernels::add_scaled(residual.as<float>(), delta.as<T>(), scale, residual.numel(),
                        ctx.cuda->stream());
  });
}

void qk_norm(const Context& ctx, TensorView qkv, const AttentionShape& shape, const QkNorm& norm) {
  check_width(std::max(norm.q_width, norm.k_width), "qk_norm");
  const int64_t q_size = static_cast<int64_t>(shape.num_heads) * shape.head_dim;
  const int64_t k_size = static_cast<int64_t>(shape.num_kv_heads) * shape.head_dim;
  dispatch(qkv.dtype, [&]<typename T>() {
    kernels::norm_groups(qkv.as<T>(), qkv.as<T>(), to_int(qkv.dim(0)), qkv.dim(1),
                         groups_of<T>(norm.q, 0, q_size, norm.q_width),
                         groups_of<T>(norm.k, q_size, k_size, norm.k_width), ctx.cuda->stream());
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
  const kernels::KvDestination destination{.positions = batch.positions,
                                           .token_slots = batch.token_slots,
                                           .block_tables = batch.block_tables,
                                           .block_table_stride = batch.block_table_stride};
  const kernels::QkvShape heads{
      .num_heads = shape.num_heads, .num_kv_heads = shape.num_kv_heads, .head_dim = shape.head_dim};
  dispatch(qkv.dtype, [&]<typename T>() {
    kernels::rope_append(qkv.as<T>(), kv.keys.as<T>(), kv.values.as<T>(), destination,
                         batch.num_tokens, heads, to_kernel(rope, batch), ctx.cuda->stream());
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
