// One visitor over a model's configuration: eet.json is written and read by it.
//
// visit_fields(config, visit) calls visit(name, member) for every member in turn, with `config`
// const or not; structures among the members are visited by their own visit_fields, and
// enumerations have words. A new member is one line here.
#pragma once

#include <array>
#include <type_traits>
#include <utility>

#include "lib/model/config.h"

namespace eet {

// The words that stand for the values of an enumeration.
template <typename Value>
struct EnumWords;

template <>
struct EnumWords<NormKind> {
  static constexpr std::array<std::pair<const char*, NormKind>, 2> kWords = {
      {{"rms_norm", NormKind::kRmsNorm}, {"layer_norm", NormKind::kLayerNorm}}};
};
template <>
struct EnumWords<Activation> {
  static constexpr std::array<std::pair<const char*, Activation>, 5> kWords = {
      {{"silu", Activation::kSilu},
       {"gelu_tanh", Activation::kGeluTanh},
       {"gelu_erf", Activation::kGeluErf},
       {"relu", Activation::kRelu},
       {"relu_squared", Activation::kReluSquared}}};
};
template <>
struct EnumWords<RouterScores> {
  static constexpr std::array<std::pair<const char*, RouterScores>, 3> kWords = {
      {{"softmax", RouterScores::kSoftmax},
       {"top_k_softmax", RouterScores::kTopKSoftmax},
       {"sigmoid", RouterScores::kSigmoid}}};
};
template <>
struct EnumWords<RopeConfig::Scaling> {
  static constexpr std::array<std::pair<const char*, RopeConfig::Scaling>, 5> kWords = {
      {{"none", RopeConfig::Scaling::kNone},
       {"linear", RopeConfig::Scaling::kLinear},
       {"llama3", RopeConfig::Scaling::kLlama3},
       {"yarn", RopeConfig::Scaling::kYarn},
       {"longrope", RopeConfig::Scaling::kLongrope}}};
};
template <>
struct EnumWords<QkNormKind> {
  static constexpr std::array<std::pair<const char*, QkNormKind>, 4> kWords = {
      {{"none", QkNormKind::kNone},
       {"head", QkNormKind::kHead},
       {"each_head", QkNormKind::kEachHead},
       {"projection", QkNormKind::kProjection}}};
};
template <>
struct EnumWords<NormPlacement> {
  static constexpr std::array<std::pair<const char*, NormPlacement>, 4> kWords = {
      {{"before", NormPlacement::kBefore},
       {"after", NormPlacement::kAfter},
       {"around", NormPlacement::kAround},
       {"residual", NormPlacement::kResidual}}};
};
template <>
struct EnumWords<Residual> {
  static constexpr std::array<std::pair<const char*, Residual>, 3> kWords = {
      {{"sequential", Residual::kSequential},
       {"parallel", Residual::kParallel},
       {"parallel_one_norm", Residual::kParallelOneNorm}}};
};
template <>
struct EnumWords<DType> {
  static constexpr std::array<std::pair<const char*, DType>, 3> kWords = {
      {{"fp32", DType::kF32}, {"fp16", DType::kF16}, {"bf16", DType::kBF16}}};
};

// `Config` is the structure or the structure const.
template <typename Config, typename Struct>
concept Fields = std::is_same_v<std::remove_const_t<Config>, Struct>;

template <Fields<NormConfig> Config, typename Visit>
void visit_fields(Config& norm, Visit&& visit) {
  visit("kind", norm.kind);
  visit("eps", norm.eps);
  visit("weight", norm.weight);
  visit("bias", norm.bias);
  visit("weight_offset", norm.weight_offset);
}

template <Fields<RopeConfig> Config, typename Visit>
void visit_fields(Config& rope, Visit&& visit) {
  visit("rotary_dim", rope.rotary_dim);
  visit("interleaved", rope.interleaved);
  visit("theta", rope.theta);
  visit("scaling", rope.scaling);
  visit("factor", rope.factor);
  visit("low_freq_factor", rope.low_freq_factor);
  visit("high_freq_factor", rope.high_freq_factor);
  visit("beta_fast", rope.beta_fast);
  visit("beta_slow", rope.beta_slow);
  visit("truncate", rope.truncate);
  visit("attention_factor", rope.attention_factor);
  visit("original_max_position_embeddings", rope.original_max_position_embeddings);
  visit("short_factors", rope.short_factors);
  visit("long_factors", rope.long_factors);
}

template <Fields<AttentionConfig> Config, typename Visit>
void visit_fields(Config& attention, Visit&& visit) {
  visit("num_heads", attention.num_heads);
  visit("num_kv_heads", attention.num_kv_heads);
  visit("head_dim", attention.head_dim);
  visit("scale", attention.scale);
  visit("window", attention.window);
  visit("softcap", attention.softcap);
  visit("alibi_scale", attention.alibi_scale);
  visit("sinks", attention.sinks);
  visit("rope", attention.rope);
  visit("qk_norm", attention.qk_norm);
  visit("qk_norm_config", attention.qk_norm_config);
  visit("qkv_bias", attention.qkv_bias);
  visit("out_bias", attention.out_bias);
}

template <Fields<MlpConfig> Config, typename Visit>
void visit_fields(Config& mlp, Visit&& visit) {
  visit("intermediate_size", mlp.intermediate_size);
  visit("activation", mlp.activation);
  visit("gated", mlp.gated);
  visit("bias", mlp.bias);
  visit("swiglu_limit", mlp.swiglu_limit);
}

template <Fields<ExpertsConfig> Config, typename Visit>
void visit_fields(Config& experts, Visit&& visit) {
  visit("count", experts.count);
  visit("top_k", experts.top_k);
  visit("scores", experts.scores);
  visit("normalise", experts.normalise);
  visit("scaling", experts.scaling);
  visit("router_bias", experts.router_bias);
  visit("shared_intermediate_size", experts.shared_intermediate_size);
  visit("shared_gate", experts.shared_gate);
}

template <Fields<LayerConfig> Config, typename Visit>
void visit_fields(Config& layer, Visit&& visit) {
  visit("attention", layer.attention);
  visit("mlp", layer.mlp);
  visit("experts", layer.experts);
  visit("norms", layer.norms);
  visit("residual", layer.residual);
  visit("residual_multiplier", layer.residual_multiplier);
}

template <Fields<ModelConfig> Config, typename Visit>
void visit_fields(Config& config, Visit&& visit) {
  visit("family", config.family);
  visit("dtype", config.dtype);
  visit("vocab_size", config.vocab_size);
  visit("hidden_size", config.hidden_size);
  visit("embedding_size", config.embedding_size);
  visit("max_position_embeddings", config.max_position_embeddings);
  visit("learned_positions", config.learned_positions);
  visit("norm", config.norm);
  visit("embedding_norm", config.embedding_norm);
  visit("final_norm", config.final_norm);
  visit("embedding_multiplier", config.embedding_multiplier);
  visit("logit_multiplier", config.logit_multiplier);
  visit("logit_softcap", config.logit_softcap);
  visit("tie_word_embeddings", config.tie_word_embeddings);
  visit("lm_head_bias", config.lm_head_bias);
  visit("layer_kinds", config.layer_kinds);
  visit("layers", config.layers);
  visit("bos_token_id", config.bos_token_id);
  visit("eos_token_ids", config.eos_token_ids);
}

}  // namespace eet
