// Granite 3 (IBM 2024): LLaMA's block with multipliers of the embeddings, the scores, what a block
// adds, and the logits.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"granite"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "granite";
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
  layer.mlp.bias = json.boolean_or("mlp_bias", false);
  config.set_uniform_layers(layer, num_layers);
  return config;
}

}  // namespace

const Family kGraniteFamily = {kModelTypes, read_config, llama_names};

}  // namespace eet
