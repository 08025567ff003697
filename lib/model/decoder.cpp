#include "lib/model/decoder.h"

namespace eet {

Decoder::Decoder(const Context& ctx, const ModelConfig& config, const Weights& weights, DType dtype,
                 int max_tokens, int max_rows, int64_t max_model_len)
    : ctx_(ctx), config_(config), weights_(weights) {
  shape_.num_heads = static_cast<int>(config.num_heads);
  shape_.num_kv_heads = static_cast<int>(config.num_kv_heads);
  shape_.head_dim = static_cast<int>(config.head_dim);
  shape_.scale = static_cast<float>(config.attention_scale);
  residual_ = reserve(DType::kF32, max_tokens, config.hidden_size);
  normed_ = reserve(dtype, max_tokens, config.hidden_size);
  qkv_ = reserve(dtype, max_tokens, config.qkv_size());
  attended_ = reserve(dtype, max_tokens, config.attention_size());
  up_ = reserve(dtype, max_tokens, config.intermediate_size * (config.gated_mlp ? 2 : 1));
  activated_ = config.gated_mlp ? reserve(dtype, max_tokens, config.intermediate_size) : up_;
  delta_ = reserve(dtype, max_tokens, config.hidden_size);
  last_ = reserve(dtype, max_rows, config.hidden_size);
  storage_.push_back(allocate(ctx,
                              ops::attention_scratch_bytes(ctx, shape_, max_rows, max_model_len),
                              "attention scratch"));
  const Buffer& scratch = storage_.back();
  fill_bytes(ctx, scratch.data(), 0, scratch.bytes());
  attention_scratch_ = ops::attention_scratch(scratch.data(), shape_, max_rows);
  activation_bytes_ += static_cast<int64_t>(scratch.bytes());
  logits_ = TensorView(nullptr, DType::kF32, {max_rows, weights.lm_head.padded_out});
  storage_.push_back(allocate(ctx, logits_.bytes(), "logits"));
  logits_.data = storage_.back().data();
}

TensorView Decoder::reserve(DType dtype, int64_t rows, int64_t columns) {
  TensorView view(nullptr, dtype, {rows, columns});
  storage_.push_back(allocate(ctx_, view.bytes(), "activations"));
  activation_bytes_ += view.bytes();
  view.data = storage_.back().data();
  return view;
}

TensorView Decoder::forward(const ForwardBatch& batch, const KvCache& cache) {
  const int64_t tokens = batch.num_tokens;
  const TensorView residual = residual_.first(tokens);
  const TensorView normed = normed_.first(tokens);
  const TensorView qkv = qkv_.first(tokens);
  const TensorView attended = attended_.first(tokens);
  const TensorView up = up_.first(tokens);
  const TensorView activated = activated_.first(tokens);
  const TensorView delta = delta_.first(tokens);
  const auto eps = static_cast<float>(config_.norm_eps);
  const auto add_norm = [&](TensorView out, TensorView add, const NormWeights& norm) {
    ops::add_norm(ctx_, out, residual, add,
                  {.kind = config_.norm, .eps = eps, .weight = norm.weight, .bias = norm.bias});
  };
  const auto linear = [&](TensorView out, TensorView x, const LinearWeights& weights) {
    ops::linear(ctx_, out, x, weights.weight, weights.bias);
  };

  ops::embed(ctx_, residual, batch.token_ids, batch.positions, weights_.token_embedding,
             weights_.position_embedding);
  TensorView previous;  // what the block before adds to the residual stream
  for (int64_t i = 0; i < config_.num_layers; ++i) {
    const LayerWeights& layer = weights_.layers[i];
    const KvLayer kv = cache.layer(i);
    add_norm(normed, previous, layer.attn_norm);
    linear(qkv, normed, layer.qkv);
    ops::append_attention(ctx_, attended, qkv, kv, batch, shape_, {weights_.rope_table},
                          attention_scratch_);
    linear(delta, attended, layer.attn_out);
    add_norm(normed, delta, layer.mlp_norm);
    ops::linear_activation(ctx_, activated, up, normed, layer.mlp_up.weight, layer.mlp_up.bias,
                           config_.activation, config_.gated_mlp);
    linear(delta, activated, layer.mlp_down);
    previous = delta;
  }
  return logits(batch.logits_tokens, batch.num_logits);
}

void Decoder::tune() {
  for (const int64_t rows : ops::rows_to_tune(ctx_, normed_.dim(0))) {
    for (const TensorView& x : {normed_, attended_, activated_}) {
      constexpr uint64_t kSeed = 1;
      ops::fill_normal(ctx_, x.first(rows), 0.0F, 1.0F, kSeed);
    }
    tune(qkv_, normed_, &LayerWeights::qkv, rows);
    tune(delta_, attended_, &LayerWeights::attn_out, rows);
    tune(delta_, activated_, &LayerWeights::mlp_down, rows);
    // Without gates the product's place is its activation's, which was of use just before.
    tune(up_, normed_, &LayerWeights::mlp_up, rows);
  }
}

void Decoder::tune(TensorView out, TensorView x, LinearWeights LayerWeights::*product,
                   int64_t rows) {
  std::vector<LinearWeight> weights;
  weights.reserve(weights_.layers.size());
  for (const LayerWeights& layer : weights_.layers) weights.push_back((layer.*product).weight);
  ops::tune_linear(ctx_, out.first(rows), x.first(rows), weights,
                   (weights_.layers.front().*product).bias);
}

TensorView Decoder::logits(const int32_t* tokens, int64_t count) {
  const TensorView logits = logits_.first(count);
  if (count == 0) return logits;
  const TensorView last = last_.first(count);
  const Norm norm = {.kind = config_.norm,
                     .eps = static_cast<float>(config_.norm_eps),
                     .weight = weights_.final_norm.weight,
                     .bias = weights_.final_norm.bias};
  ops::add_norm(ctx_, last, residual_, delta_, norm, 1, tokens);
  ops::linear(ctx_, logits, last, weights_.lm_head, {});
  return logits;
}

}  // namespace eet
