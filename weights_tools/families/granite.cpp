// Granite 3 (IBM 2024): LLaMA's block with multipliers of the embeddings, the scores, what a block
// adds, and the logits. Granite-MoE has experts in every layer, with a shared one or without.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 3> kModelTypes = {"granite", "granitemoe",
                                                         "granitemoeshared"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = json.string("model_type");
  const int64_t num_layers = read_sizes(json, config, layer, {.max_positions = 2048});
  config.norm.eps = json.number_or("rms_norm_eps", 1e-6);
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.bos_token_id = 1;
  config.eos_token_ids = {2};
  config.embedding_multiplier = json.number_or("embedding_multiplier", 1.0);
  config.logit_multiplier = 1.0 / json.number_or("logits_scaling", 1.0);
  layer.residual_multiplier = json.number_or("residual_multiplier", 1.0);
  layer.attention.scale = json.number_or("attention_multiplier", 1.0);
  layer.attention.rope = read_rope(json, config, layer.attention.head_dim);
  layer.attention.qkv_bias = layer.attention.out_bias = json.boolean_or("attention_bias", false);
  layer.mlp.activation = read_activation(json, "hidden_act", "silu");
  if (config.family == "granite") {
    layer.mlp.bias = json.boolean_or("mlp_bias", false);
  } else {
    layer.experts = read_experts(json, 8, 2);
    layer.experts.scores = RouterScores::kTopKSoftmax;
  }
  if (config.family == "granitemoeshared") {
    layer.experts.shared_intermediate_size = json.integer_or("shared_intermediate_size", 0);
  }
  config.set_uniform_layers(layer, num_layers);
  return config;
}

// Experts are stacked under names of their own, or under the common ones.
NameMap name_map(const ModelConfig& config) {
  NameMap names = llama_names(config);
  const std::initializer_list<StoredAs> experts = {
      {TensorId::kRouter, {"layers.#.block_sparse_moe.router.layer"}},
      {TensorId::kRouter, {"layers.#.block_sparse_moe.router"}},
      {TensorId::kExpertsUp, {"layers.#.block_sparse_moe.input_linear"}},
      {TensorId::kExpertsUp, {"layers.#.block_sparse_moe.experts.gate_up_proj!"}},
      {TensorId::kExpertsDown, {"layers.#.block_sparse_moe.output_linear"}},
      {TensorId::kExpertsDown, {"layers.#.block_sparse_moe.experts.down_proj!"}},
      {TensorId::kSharedUp, {"layers.#.shared_mlp.input_linear"}},
      {TensorId::kSharedDown, {"layers.#.shared_mlp.output_linear"}}};
  names.tensors.insert(names.tensors.end(), experts);
  return names;
}

}  // namespace

const Family kGraniteFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
