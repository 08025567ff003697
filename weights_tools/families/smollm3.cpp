// SmolLM3 (Hugging Face 2025): LLaMA's block, of which every fourth layer turns nothing, and may
// have a sliding window.
#include <array>

#include "lib/core/error.h"
#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"smollm3"};

// Which layers turn queries and keys.
std::vector<bool> read_rope_layers(JsonObject& json, int64_t num_layers) {
  const int64_t interval = json.size_or("no_rope_layer_interval", 4);
  std::vector<bool> rotates;
  if (!json.has("no_rope_layers")) {
    json.ignore({"no_rope_layers"});
    for (int64_t i = 0; i < num_layers; ++i) rotates.push_back((i + 1) % interval != 0);
    return rotates;
  }
  for (const auto& flag : json.value("no_rope_layers")) {
    if (flag != 0 && flag != 1) json.refuse("no_rope_layers", "a list of 0 (no rotation) and 1");
    rotates.push_back(flag == 1);
  }
  if (static_cast<int64_t>(rotates.size()) != num_layers) {
    json.refuse("no_rope_layers", concat("one number for each of the ", num_layers, " layers"));
  }
  return rotates;
}

void read_layers(JsonObject& json, ModelConfig& config, const LayerConfig& layer,
                 int64_t num_layers) {
  const int64_t window = json.size_or("sliding_window", 0);
  const bool implied = json.boolean_or("use_sliding_window", false) && window > 0;
  const std::vector<bool> rotates = read_rope_layers(json, num_layers);
  const std::vector<bool> sliding = read_sliding_layers(
      json, num_layers, [&](int64_t i) { return implied && !rotates[static_cast<size_t>(i)]; });
  const int64_t effective = effective_window(json, window, config, sliding);
  for (size_t i = 0; i < sliding.size(); ++i) {
    LayerConfig kind = layer;
    if (!rotates[i]) kind.attention.rope = {};
    if (sliding[i]) kind.attention.window = effective;
    add_layer(config, kind);
  }
}

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "smollm3";
  const int64_t num_layers =
      read_sizes(json, config, layer, {.max_positions = 32768, .num_kv_heads = 4});
  config.norm.eps = json.number_or("rms_norm_eps", 1e-6);
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", true);
  config.bos_token_id = 128000;
  config.eos_token_ids = {128001};
  layer.attention.rope = read_rope(json, config, layer.attention.head_dim, {.theta = 2000000.0});
  layer.attention.qkv_bias = layer.attention.out_bias = json.boolean_or("attention_bias", false);
  layer.mlp.activation = read_activation(json, "hidden_act", "silu");
  layer.mlp.bias = json.boolean_or("mlp_bias", false);
  read_layers(json, config, layer, num_layers);
  return config;
}

}  // namespace

const Family kSmolLm3Family = {kModelTypes, read_config, llama_names};

}  // namespace eet
