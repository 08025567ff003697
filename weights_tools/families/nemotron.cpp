// Nemotron 3 and 4, Minitron (NVIDIA 2024): LayerNorm with weights stored as w - 1, squared ReLU, a
// part of each head that turns.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"nemotron"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "nemotron";
  const int64_t num_layers = read_sizes(json, config, layer, {.max_positions = 4096});
  config.norm = {.kind = NormKind::kLayerNorm,
                 .eps = json.number_or("norm_eps", 1e-5),
                 .bias = true,
                 .weight_offset = 1.0};
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.bos_token_id = 2;
  config.eos_token_ids = {3};
  AttentionConfig& attention = layer.attention;
  attention.rope = read_rope(json, config, attention.head_dim, {.partial_rotary_factor = 0.5});
  attention.qkv_bias = attention.out_bias = json.boolean_or("attention_bias", false);
  layer.mlp.activation = read_activation(json, "hidden_act", "relu2");
  layer.mlp.gated = false;
  layer.mlp.bias = json.boolean_or("mlp_bias", false);
  config.set_uniform_layers(layer, num_layers);
  return config;
}

NameMap name_map(const ModelConfig& config) {
  NameMap names = llama_names(config);
  for (StoredAs& stored : names.tensors) {
    if (stored.id == TensorId::kMlpUp) stored.names = {"layers.#.mlp.up_proj"};
  }
  return names;
}

}  // namespace

const Family kNemotronFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
