// OLMo 1, 2 and 3 (Ai2 2024, 2025). OLMo 1: LLaMA's block with norms that have no weights. OLMo 2
// norms what each block gives, and all of q and all of k; OLMo 3 adds windows.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kOlmoTypes = {"olmo"};
constexpr std::array<std::string_view, 2> kOlmo2Types = {"olmo2", "olmo3"};

// What all three share. Returns the number of layers.
int64_t read_block(JsonObject& json, ModelConfig& config, LayerConfig& layer) {
  const int64_t num_layers = read_sizes(json, config, layer, {.max_positions = 2048});
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.eos_token_ids = {50279};
  layer.attention.qkv_bias = layer.attention.out_bias = json.boolean_or("attention_bias", false);
  layer.mlp.activation = read_activation(json, "hidden_act", "silu");
  return num_layers;
}

ModelConfig read_olmo(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "olmo";
  const int64_t num_layers = read_block(json, config, layer);
  config.norm = {.kind = NormKind::kLayerNorm, .eps = 1e-5, .weight = false};
  layer.attention.rope = read_rope(json, config, layer.attention.head_dim);
  json.expect("clip_qkv", nullptr);
  config.set_uniform_layers(layer, num_layers);
  return config;
}

// Every fourth layer has no window. Only the others keep their rotation unscaled.
void read_olmo3_layers(JsonObject& json, ModelConfig& config, LayerConfig full,
                       int64_t num_layers) {
  constexpr double kTheta = 500000.0;
  constexpr int64_t kInterval = 4;
  const int64_t head_dim = full.attention.head_dim;
  LayerConfig windowed = full;
  full.attention.rope = read_rope_of(json, "full_attention", config, head_dim, {.theta = kTheta});
  windowed.attention.rope = read_rope_of(json, "sliding_attention", config, head_dim,
                                         {.theta = kTheta, .theta_key = nullptr});
  const int64_t window = size_unless_null(json, "sliding_window", 4096);
  const std::vector<bool> sliding =
      read_sliding_layers(json, num_layers, [](int64_t i) { return (i + 1) % kInterval != 0; });
  windowed.attention.window = effective_window(json, window, config, sliding);
  set_layers(config, full, windowed, sliding);
}

ModelConfig read_olmo2(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = json.string("model_type");
  const int64_t num_layers = read_block(json, config, layer);
  config.norm.eps = json.number_or("rms_norm_eps", 1e-5);
  layer.norms = NormPlacement::kAfter;
  layer.attention.qk_norm = QkNormKind::kProjection;
  layer.attention.qk_norm_config = config.norm;
  if (config.family == "olmo3") {
    read_olmo3_layers(json, config, layer, num_layers);
  } else {
    layer.attention.rope = read_rope(json, config, layer.attention.head_dim);
    config.set_uniform_layers(layer, num_layers);
  }
  return config;
}

}  // namespace

NameMap norms_after(const ModelConfig& config) {
  NameMap names = llama_names(config);
  names.tensors.push_back({TensorId::kAttnPostNorm, {"layers.#.post_attention_layernorm"}});
  names.tensors.push_back({TensorId::kMlpPostNorm, {"layers.#.post_feedforward_layernorm"}});
  return names;
}

const Family kOlmoFamily = {kOlmoTypes, read_olmo, llama_names};
const Family kOlmo2Family = {kOlmo2Types, read_olmo2, norms_after};

}  // namespace eet
