// Mixtral (Mistral AI 2023): Mistral's block with experts in every layer.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"mixtral"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "mixtral";
  const int64_t num_layers =
      read_sizes(json, config, layer, {.max_positions = 131072, .num_kv_heads = 8});
  config.norm.eps = json.number_or("rms_norm_eps", 1e-5);
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.bos_token_id = 1;
  config.eos_token_ids = {2};
  layer.attention.rope = read_rope(json, config, layer.attention.head_dim, {.theta = 1e6});
  layer.attention.window = effective_window(json, json.size_or("sliding_window", 0), config, {});
  layer.mlp.activation = read_activation(json, "hidden_act", "silu");
  layer.experts = read_experts(json, 8, 2);
  layer.experts.normalise = true;
  config.set_uniform_layers(layer, num_layers);
  return config;
}

NameMap name_map(const ModelConfig& config) {
  NameMap names = llama_names(config);
  const std::initializer_list<StoredAs> experts = {
      {TensorId::kRouter, {"layers.#.block_sparse_moe.gate"}},
      {TensorId::kRouter, {"layers.#.mlp.gate"}},
      {TensorId::kExpertsUp,
       {"layers.#.block_sparse_moe.experts.*.w1", "layers.#.block_sparse_moe.experts.*.w3"}},
      {TensorId::kExpertsUp, {"layers.#.mlp.experts.*.w1", "layers.#.mlp.experts.*.w3"}},
      {TensorId::kExpertsUp, {"layers.#.mlp.experts.gate_up_proj!"}},
      {TensorId::kExpertsUp, {"layers.#.block_sparse_moe.experts.gate_up_proj!"}},
      {TensorId::kExpertsDown, {"layers.#.block_sparse_moe.experts.*.w2"}},
      {TensorId::kExpertsDown, {"layers.#.mlp.experts.*.w2"}},
      {TensorId::kExpertsDown, {"layers.#.mlp.experts.down_proj!"}},
      {TensorId::kExpertsDown, {"layers.#.block_sparse_moe.experts.down_proj!"}}};
  names.tensors.insert(names.tensors.end(), experts);
  return names;
}

}  // namespace

const Family kMixtralFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
