// OLMoE (Ai2 2024): LLaMA's block with a norm of all of q and of all of k, and experts in every
// layer.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/expert_names.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"olmoe"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "olmoe";
  const int64_t num_layers = read_sizes(json, config, layer, {.max_positions = 4096});
  config.norm.eps = json.number_or("rms_norm_eps", 1e-5);
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.eos_token_ids = {50279};
  AttentionConfig& attention = layer.attention;
  attention.rope = read_rope(json, config, attention.head_dim);
  attention.qkv_bias = attention.out_bias = json.boolean_or("attention_bias", false);
  attention.qk_norm = QkNormKind::kProjection;
  attention.qk_norm_config = config.norm;
  json.expect("clip_qkv", nullptr);
  layer.mlp.activation = read_activation(json, "hidden_act", "silu");
  layer.experts = read_experts(json, 64, 8);
  layer.experts.normalise = json.boolean_or("norm_topk_prob", false);
  config.set_uniform_layers(layer, num_layers);
  return config;
}

}  // namespace

NameMap expert_names(const ModelConfig& config) {
  NameMap names = llama_names(config);
  const std::initializer_list<StoredAs> experts = {
      {TensorId::kRouter, {"layers.#.mlp.gate"}},
      {TensorId::kExpertsUp,
       {"layers.#.mlp.experts.*.gate_proj", "layers.#.mlp.experts.*.up_proj"}},
      {TensorId::kExpertsUp, {"layers.#.mlp.experts.gate_up_proj!"}},
      {TensorId::kExpertsDown, {"layers.#.mlp.experts.*.down_proj"}},
      {TensorId::kExpertsDown, {"layers.#.mlp.experts.down_proj!"}}};
  names.tensors.insert(names.tensors.end(), experts);
  return names;
}

const Family kOlmoeFamily = {kModelTypes, read_config, expert_names};

}  // namespace eet
