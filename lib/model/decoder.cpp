#include "lib/model/decoder.h"

#include "lib/model/blocks/attention.h"
#include "lib/model/blocks/experts.h"
#include "lib/model/blocks/mlp.h"

namespace eet {
namespace {

constexpr Norm kNoNorm = {.kind = NormKind::kNone};

// The first rows of every buffer that is as wide in all layers: `tokens` of them, `rows` of those
// behind the last layer.
Activations first_rows(const Activations& all, int64_t tokens, int64_t rows) {
  Activations views = all;
  for (TensorView Activations::*view :
       {&Activations::residual, &Activations::embedded, &Activations::normed,
        &Activations::mlp_normed, &Activations::qkv, &Activations::attended,
        &Activations::shared_out, &Activations::shared_gate, &Activations::delta}) {
    views.*view = (views.*view).first(tokens);
  }
  for (TensorView Activations::*view :
       {&Activations::last, &Activations::projected, &Activations::logits}) {
    views.*view = (views.*view).first(rows);
  }
  return views;
}

}  // namespace

Decoder::Decoder(const Context& ctx, const ModelConfig& config, const Weights& weights,
                 const PassLimits& limits)
    : ctx_(ctx), config_(config), weights_(weights), memory_(ctx, config, limits) {}

// out = norm of the residual stream with what is pending added, of all tokens or of some.
void Decoder::add_pending(TensorView out, const Norm& norm, const int32_t* tokens) {
  if (pending_.norm.kind == NormKind::kNone) {
    ops::add_norm(ctx_, out, now_.residual, pending_.delta, norm, pending_.scale, tokens);
  } else {
    ops::post_norm_add_norm(ctx_, out, now_.residual, pending_.delta, pending_.norm, norm,
                            pending_.scale, tokens);
  }
  if (tokens == nullptr) pending_ = {};
}

// Adds it without a norm after it.
void Decoder::add_pending() {
  if (pending_.norm.kind != NormKind::kNone) {
    ops::norm(ctx_, pending_.delta, pending_.delta, pending_.norm);
  }
  ops::add_to_residual(ctx_, now_.residual, pending_.delta, pending_.scale);
  pending_ = {};
}

// Leaves what a block gave to be added, or adds it at once where the stream itself is normed.
void Decoder::finish_block(const Norm& post_norm, const Norm& residual_norm,
                           const LayerConfig& layer) {
  pending_ = {.delta = now_.delta,
              .scale = static_cast<float>(layer.residual_multiplier),
              .norm = post_norm};
  if (layer.norms != NormPlacement::kResidual) return;
  add_pending();
  ops::norm_residual(ctx_, now_.residual, residual_norm);
}

void Decoder::embed(const ForwardBatch& batch) {
  const auto scale = static_cast<float>(config_.embedding_multiplier);
  pending_ = {};
  if (now_.embedded) {
    TensorView tokens = now_.residual;
    tokens.shape[1] = config_.embedding_size;
    ops::embed(ctx_, tokens, batch.token_ids, batch.positions, weights_.token_embedding, {}, scale);
    ops::add_norm(ctx_, now_.embedded, tokens, {}, kNoNorm);
    // Positions are looked up like tokens, before the product: add_norm wants the residual stream
    // to be older than what is added.
    ops::embed(ctx_, now_.residual, batch.positions, batch.positions, weights_.position_embedding,
               {});
    ops::linear(ctx_, now_.delta, now_.embedded, weights_.embedding_projection.weight, {});
    pending_ = {.delta = now_.delta};
  } else {
    ops::embed(ctx_, now_.residual, batch.token_ids, batch.positions, weights_.token_embedding,
               weights_.position_embedding, scale);
  }
  if (weights_.embedding_norm.kind != NormKind::kNone) {
    ops::norm_residual(ctx_, now_.residual, weights_.embedding_norm);
  }
}

void Decoder::run_layer(int64_t i, ForwardBatch batch, const KvCache& cache) {
  batch.block_tables += static_cast<int64_t>(cache.group_of(i)) * batch.block_table_group_stride;
  const LayerConfig& config = config_.layer(i);
  const LayerWeights& layer = weights_.layers[i];
  const bool norms_residual = config.norms == NormPlacement::kResidual;
  const Norm& attn_norm = norms_residual ? kNoNorm : layer.attn_norm;
  const Norm& mlp_norm = norms_residual ? kNoNorm : layer.mlp_norm;

  add_pending(now_.normed, attn_norm);
  TensorView mlp_input = now_.normed;
  if (config.residual == Residual::kParallel) {
    mlp_input = now_.mlp_normed;
    add_pending(mlp_input, mlp_norm);
  }
  attention_block(ctx_, now_.delta, now_.normed, layer, cache.layer(i), batch, now_);
  finish_block(layer.attn_post_norm, layer.attn_norm, config);
  if (config.residual == Residual::kSequential) {
    add_pending(mlp_input, mlp_norm);
  } else {
    add_pending();
  }
  if (config.has_experts()) {
    experts_block(ctx_, now_.delta, mlp_input, config, layer.experts, batch, now_);
  } else {
    mlp_block(ctx_, now_.delta, mlp_input, config.mlp, layer.mlp_up, layer.mlp_down, now_);
  }
  finish_block(layer.mlp_post_norm, layer.mlp_norm, config);
}

TensorView Decoder::forward(const ForwardBatch& batch, const KvCache& cache) {
  now_ = first_rows(memory_.views(), batch.num_tokens, batch.num_logits);
  embed(batch);
  for (int64_t i = 0; i < config_.num_layers(); ++i) run_layer(i, batch, cache);
  return logits(batch.logits_tokens, batch.num_logits);
}

TensorView Decoder::logits(const int32_t* tokens, int64_t count) {
  const Activations& all = memory_.views();
  const TensorView logits = all.logits.first(count);
  if (count == 0) return logits;
  TensorView last = all.last.first(count);
  add_pending(last, weights_.final_norm, tokens);
  if (all.projected) {
    const TensorView projected = all.projected.first(count);
    ops::linear(ctx_, projected, last, weights_.output_projection.weight, {});
    last = projected;
  }
  // Its rows may be padded, its bias is not.
  ops::linear(ctx_, logits, last, weights_.lm_head.weight, {});
  if (weights_.lm_head.bias || config_.logit_multiplier != 1.0 || config_.logit_softcap != 0) {
    ops::scale_logits(ctx_, logits, weights_.lm_head.bias,
                      static_cast<float>(config_.logit_multiplier),
                      static_cast<float>(config_.logit_softcap));
  }
  return logits;
}

void Decoder::tune() {
  const Activations& all = memory_.views();
  for (const int64_t rows : ops::rows_to_tune(ctx_, all.normed.dim(0))) {
    for (const TensorView& x : {all.normed, all.attended, all.activated}) {
      constexpr uint64_t kSeed = 1;
      if (x) ops::fill_normal(ctx_, x.first(rows), 0.0F, 1.0F, kSeed);
    }
    tune(all.qkv, all.normed, rows, [](const LayerWeights& layer) { return layer.qkv; });
    tune(all.delta, all.attended, rows, [](const LayerWeights& layer) { return layer.attn_out; });
    tune(all.delta, all.activated, rows, [](const LayerWeights& layer) { return layer.mlp_down; });
    tune(all.delta, all.activated, rows,
         [](const LayerWeights& layer) { return layer.experts.shared_down; });
    // Without gates the product's place is its activation's, which was of use just before.
    tune(all.up, all.normed, rows, [](const LayerWeights& layer) { return layer.mlp_up; });
    tune(all.up, all.normed, rows,
         [](const LayerWeights& layer) { return layer.experts.shared_up; });
  }
}

// For the products of all layers that have one, which are of one shape.
void Decoder::tune(const TensorView& out, const TensorView& x, int64_t rows,
                   LinearWeights (*product)(const LayerWeights&)) {
  std::vector<LinearWeight> weights;
  TensorView bias;
  for (const LayerWeights& layer : weights_.layers) {
    const LinearWeights linear = product(layer);
    if (!linear.weight.data) continue;
    if (weights.empty()) bias = linear.bias;
    weights.push_back(linear.weight);
  }
  if (weights.empty()) return;
  ops::tune_linear(ctx_, matrix_in(out, rows, weights.front().padded_out),
                   matrix_in(x, rows, weights.front().in_features), weights, bias);
}

}  // namespace eet
