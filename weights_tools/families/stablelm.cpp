// StableLM (Stability AI 2024): LLaMA's block with LayerNorm, a part of each head that turns, and,
// in 12B, norms of q and k with weights for each head and attention beside the MLP.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"stablelm"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "stablelm";
  const int64_t num_layers =
      read_sizes(json, config, layer, {.max_positions = 4096, .num_kv_heads = 32});
  config.norm = {
      .kind = NormKind::kLayerNorm, .eps = json.number_or("layer_norm_eps", 1e-5), .bias = true};
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.bos_token_id = 0;
  config.eos_token_ids = {0};
  AttentionConfig& attention = layer.attention;
  json.expect("head_dim", config.hidden_size / attention.num_heads);
  attention.rope = read_rope(json, config, attention.head_dim, {.partial_rotary_factor = 0.25});
  attention.qkv_bias = json.boolean_or("use_qkv_bias", false);
  if (json.boolean_or("qk_layernorm", false)) {
    attention.qk_norm = QkNormKind::kEachHead;
    attention.qk_norm_config = config.norm;
    attention.qk_norm_config.bias = false;
  }
  layer.mlp.activation = read_activation(json, "hidden_act", "silu");
  const bool parallel = json.boolean_or("use_parallel_residual", false);
  layer.residual = parallel ? Residual::kParallelOneNorm : Residual::kSequential;
  config.set_uniform_layers(layer, num_layers);
  return config;
}

NameMap name_map(const ModelConfig& config) {
  NameMap names = llama_names(config);
  for (StoredAs& stored : names.tensors) {
    if (stored.id == TensorId::kQNorm) stored.names = {"layers.#.self_attn.q_layernorm.norms.*"};
    if (stored.id == TensorId::kKNorm) stored.names = {"layers.#.self_attn.k_layernorm.norms.*"};
  }
  return names;
}

}  // namespace

const Family kStableLmFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
