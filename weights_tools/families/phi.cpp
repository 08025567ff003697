// Phi-1, 1.5 and 2 (Microsoft 2023): attention and MLP side by side behind one LayerNorm, biases
// everywhere, also of the LM head, and a part of each head that turns.
#include <array>

#include "weights_tools/families/all.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"phi"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "phi";
  const int64_t num_layers = read_sizes(json, config, layer, {.max_positions = 2048});
  config.norm = {
      .kind = NormKind::kLayerNorm, .eps = json.number_or("layer_norm_eps", 1e-5), .bias = true};
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.lm_head_bias = true;
  config.bos_token_id = 1;
  config.eos_token_ids = {2};
  AttentionConfig& attention = layer.attention;
  attention.rope = read_rope(json, config, attention.head_dim, {.partial_rotary_factor = 0.5});
  attention.qkv_bias = attention.out_bias = true;
  if (json.boolean_or("qk_layernorm", false)) {
    attention.qk_norm = QkNormKind::kHead;
    attention.qk_norm_config = config.norm;
  }
  layer.mlp.activation = read_activation(json, "hidden_act", "gelu_new");
  layer.mlp.gated = false;
  layer.mlp.bias = true;
  layer.residual = Residual::kParallelOneNorm;
  config.set_uniform_layers(layer, num_layers);
  return config;
}

NameMap name_map(const ModelConfig& /*config*/) {
  return {.tensors = {{TensorId::kTokenEmbedding, {"embed_tokens"}},
                      {TensorId::kAttnNorm, {"layers.#.input_layernorm"}},
                      {TensorId::kQkv,
                       {"layers.#.self_attn.q_proj", "layers.#.self_attn.k_proj",
                        "layers.#.self_attn.v_proj"}},
                      {TensorId::kQNorm, {"layers.#.self_attn.q_layernorm"}},
                      {TensorId::kKNorm, {"layers.#.self_attn.k_layernorm"}},
                      {TensorId::kAttnOut, {"layers.#.self_attn.dense"}},
                      {TensorId::kMlpUp, {"layers.#.mlp.fc1"}},
                      {TensorId::kMlpDown, {"layers.#.mlp.fc2"}},
                      {TensorId::kFinalNorm, {"final_layernorm"}},
                      {TensorId::kLmHead, {"lm_head"}}},
          .prefixes = {"model."},
          .ignorable = {"layers.#.self_attn.rotary_emb.inv_freq"}};
}

}  // namespace

const Family kPhiFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
