// Seed-OSS (ByteDance 2025): LLaMA's block with biases of q, k and v, and of the others by their
// own keys.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"seed_oss"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "seed_oss";
  const int64_t num_layers = read_sizes(
      json, config, layer, {.max_positions = 524288, .num_kv_heads = 8, .head_dim = 128});
  config.norm.eps = json.number_or("rms_norm_eps", 1e-6);
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.bos_token_id = 0;
  config.eos_token_ids = {2};
  layer.attention.rope = read_rope(json, config, layer.attention.head_dim);
  layer.attention.qkv_bias = json.boolean_or("attention_bias", true);
  layer.attention.out_bias = json.boolean_or("attention_out_bias", false);
  layer.mlp.activation = read_activation(json, "hidden_act", "silu");
  layer.mlp.bias = json.boolean_or("mlp_bias", false);
  config.set_uniform_layers(layer, num_layers);
  return config;
}

}  // namespace

const Family kSeedOssFamily = {kModelTypes, read_config, llama_names};

}  // namespace eet
