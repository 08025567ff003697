// Command R (Cohere 2024) and Command R7B and A (Cohere 2): attention and MLP side by side behind
// one LayerNorm without biases, rotation of neighbouring pairs, scaled logits. Command R+ norms q
// and k with weights for each head; Cohere 2 has windows, and layers without one turn nothing.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 2> kModelTypes = {"cohere", "cohere2"};

// All layers but every fourth slide.
void read_windows(JsonObject& json, ModelConfig& config, LayerConfig layer, int64_t num_layers) {
  const int64_t window = size_unless_null(json, "sliding_window", 4096);
  const int64_t interval = json.size_or("sliding_window_pattern", 4);
  const std::vector<bool> sliding =
      read_sliding_layers(json, num_layers, [&](int64_t i) { return (i + 1) % interval != 0; });
  LayerConfig windowed = layer;
  windowed.attention.window = effective_window(json, window, config, sliding);
  layer.attention.rope = {};
  set_layers(config, layer, windowed, sliding);
}

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = json.string("model_type");
  const int64_t num_layers = read_sizes(json, config, layer, {.max_positions = 8192});
  config.norm = {.kind = NormKind::kLayerNorm, .eps = json.number_or("layer_norm_eps", 1e-5)};
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", true);
  config.logit_multiplier = json.number_or("logit_scale", 0.0625);
  config.bos_token_id = 5;
  config.eos_token_ids = {255001};
  AttentionConfig& attention = layer.attention;
  const double theta = config.family == "cohere" ? 500000.0 : 10000.0;
  attention.rope = read_rope(json, config, attention.head_dim, {.theta = theta});
  attention.rope.interleaved = true;
  attention.qkv_bias = attention.out_bias = json.boolean_or("attention_bias", false);
  layer.mlp.activation = read_activation(json, "hidden_act", "silu");
  layer.residual = Residual::kParallelOneNorm;
  if (config.family == "cohere2") {
    json.expect("use_qk_norm", false);
    read_windows(json, config, layer, num_layers);
    return config;
  }
  if (json.boolean_or("use_qk_norm", false)) {
    attention.qk_norm = QkNormKind::kEachHead;
    attention.qk_norm_config = config.norm;
  }
  config.set_uniform_layers(layer, num_layers);
  return config;
}

NameMap name_map(const ModelConfig& config) {
  NameMap names = llama_names(config);
  for (StoredAs& stored : names.tensors) {
    const bool is_norm = stored.id == TensorId::kQNorm || stored.id == TensorId::kKNorm;
    if (is_norm) stored.layout = SourceLayout::kHeadRows;
  }
  return names;
}

}  // namespace

const Family kCohereFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
