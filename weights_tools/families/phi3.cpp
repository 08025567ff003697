// Phi-3, 3.5 and 4 (Microsoft 2024): LLaMA's block with fused projections, windows, and longrope.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"phi3"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "phi3";
  const int64_t num_layers = read_sizes(json, config, layer, {.max_positions = 4096});
  config.norm.eps = json.number_or("rms_norm_eps", 1e-5);
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.bos_token_id = 1;
  config.eos_token_ids = {32000};
  AttentionConfig& attention = layer.attention;
  attention.rope =
      read_rope(json, config, attention.head_dim,
                {.partial_rotary_factor = 1.0, .original_max_position_embeddings = 4096});
  if (attention.rope.scaling != RopeConfig::Scaling::kNone &&
      attention.rope.scaling != RopeConfig::Scaling::kLongrope) {
    json.refuse(json.has("rope_scaling") ? "rope_scaling" : "rope_parameters",
                "rotation of type default or longrope");
  }
  attention.window = effective_window(json, json.size_or("sliding_window", 0), config, {});
  layer.mlp.activation = read_activation(json, "hidden_act", "silu");
  config.set_uniform_layers(layer, num_layers);

  // Of Microsoft's own implementation.
  for (const char* key : {"attention_bias", "mlp_bias", "lm_head_bias"}) json.expect(key, false);
  for (const char* key : {"full_attn_mod", "interpolate_factor"}) json.expect(key, 1);
  return config;
}

NameMap name_map(const ModelConfig& config) {
  NameMap names = llama_names(config);
  std::erase_if(names.tensors, [](const StoredAs& stored) {
    return stored.id == TensorId::kQkv || stored.id == TensorId::kMlpUp;
  });
  names.tensors.push_back({TensorId::kQkv, {"layers.#.self_attn.qkv_proj"}});
  names.tensors.push_back({TensorId::kMlpUp, {"layers.#.mlp.gate_up_proj"}});
  return names;
}

}  // namespace

const Family kPhi3Family = {kModelTypes, read_config, name_map};

}  // namespace eet
