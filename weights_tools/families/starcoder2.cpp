// StarCoder2 (Lozhkov et al. 2024): LayerNorm, an MLP without gate, biases, and windows.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"starcoder2"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "starcoder2";
  const int64_t num_layers =
      read_sizes(json, config, layer, {.max_positions = 4096, .num_kv_heads = 2});
  config.norm = {
      .kind = NormKind::kLayerNorm, .eps = json.number_or("norm_epsilon", 1e-5), .bias = true};
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", true);
  config.bos_token_id = 50256;
  config.eos_token_ids = {50256};
  AttentionConfig& attention = layer.attention;
  attention.rope = read_rope(json, config, attention.head_dim);
  attention.window = effective_window(json, json.size_or("sliding_window", 0), config, {});
  const bool bias = json.boolean_or("use_bias", true);
  attention.qkv_bias = attention.out_bias = bias;
  layer.mlp.activation = read_activation(json, "hidden_act", "gelu_pytorch_tanh");
  layer.mlp.gated = false;
  layer.mlp.bias = bias;
  config.set_uniform_layers(layer, num_layers);

  // Older names, which are written beside the newer ones.
  json.expect("mlp_type", "default");
  json.expect("norm_type", "layer_norm");
  return config;
}

NameMap name_map(const ModelConfig& config) {
  NameMap names = llama_names(config);
  for (StoredAs& stored : names.tensors) {
    if (stored.id == TensorId::kMlpUp) stored.names = {"layers.#.mlp.c_fc"};
    if (stored.id == TensorId::kMlpDown) stored.names = {"layers.#.mlp.c_proj"};
  }
  return names;
}

}  // namespace

const Family kStarcoder2Family = {kModelTypes, read_config, name_map};

}  // namespace eet
