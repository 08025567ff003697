// EXAONE 4 (LG 2025): norms of q and k and of what each block gives; in models with windows, layers
// without one turn nothing.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"exaone4"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "exaone4";
  const int64_t num_layers =
      read_sizes(json, config, layer, {.max_positions = 2048, .num_kv_heads = 32});
  config.norm.eps = json.number_or("rms_norm_eps", 1e-5);
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.bos_token_id = 0;
  config.eos_token_ids = {2};
  layer.norms = NormPlacement::kAfter;
  layer.attention.qk_norm = QkNormKind::kHead;
  layer.attention.qk_norm_config = config.norm;
  layer.attention.rope = read_rope(json, config, layer.attention.head_dim);
  layer.mlp.activation = read_activation(json, "hidden_act", "silu");

  const int64_t window = size_unless_null(json, "sliding_window", 4096);
  // A word such as "LLLG" comes with layer_types, which say the same.
  if (json.has("layer_types")) json.ignore({"sliding_window_pattern"});
  const int64_t interval = json.has("layer_types") ? 1 : json.size_or("sliding_window_pattern", 4);
  const std::vector<bool> sliding = read_sliding_layers(
      json, num_layers, [&](int64_t i) { return window > 0 && (i + 1) % interval != 0; });
  LayerConfig windowed = layer;
  windowed.attention.window = effective_window(json, window, config, sliding);
  if (window > 0) layer.attention.rope = {};
  set_layers(config, layer, windowed, sliding);
  return config;
}

}  // namespace

const Family kExaone4Family = {kModelTypes, read_config, norms_after};

}  // namespace eet
