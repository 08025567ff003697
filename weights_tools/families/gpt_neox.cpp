// GPT-NeoX (Black et al. 2022) and Pythia: attention and MLP side by side with a LayerNorm each, or
// one after the other; q, k and v of each head stored together; a part of each head turns.
#include <array>

#include "weights_tools/families/all.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"gpt_neox"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "gpt_neox";
  const int64_t num_layers = read_sizes(json, config, layer, {.max_positions = 2048});
  AttentionConfig& attention = layer.attention;
  json.expect("num_key_value_heads", attention.num_heads);
  json.expect("head_dim", config.hidden_size / attention.num_heads);
  config.norm = {
      .kind = NormKind::kLayerNorm, .eps = json.number_or("layer_norm_eps", 1e-5), .bias = true};
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.bos_token_id = 0;
  config.eos_token_ids = {2};
  attention.rope = read_rope(
      json, config, attention.head_dim,
      {.partial_rotary_factor = 0.25, .theta_key = "rotary_emb_base", .partial_key = "rotary_pct"});
  attention.qkv_bias = attention.out_bias = json.boolean_or("attention_bias", true);
  layer.mlp.activation = read_activation(json, "hidden_act", "gelu");
  layer.mlp.gated = false;
  layer.mlp.bias = true;
  const bool parallel = json.boolean_or("use_parallel_residual", true);
  layer.residual = parallel ? Residual::kParallel : Residual::kSequential;
  config.set_uniform_layers(layer, num_layers);
  return config;
}

NameMap name_map(const ModelConfig& /*config*/) {
  return {.tensors = {{TensorId::kTokenEmbedding, {"embed_in"}},
                      {TensorId::kAttnNorm, {"layers.#.input_layernorm"}},
                      {TensorId::kQkv,
                       {"layers.#.attention.query_key_value"},
                       SourceLayout::kGroupedQkv},
                      {TensorId::kAttnOut, {"layers.#.attention.dense"}},
                      {TensorId::kMlpNorm, {"layers.#.post_attention_layernorm"}},
                      {TensorId::kMlpUp, {"layers.#.mlp.dense_h_to_4h"}},
                      {TensorId::kMlpDown, {"layers.#.mlp.dense_4h_to_h"}},
                      {TensorId::kFinalNorm, {"final_layer_norm"}},
                      {TensorId::kLmHead, {"embed_out"}},
                      {TensorId::kLmHead, {"lm_head"}}},  // as transformers 5 calls it
          .prefixes = {"gpt_neox."},
          .ignorable = {"layers.#.attention.bias", "layers.#.attention.masked_bias",
                        "layers.#.attention.rotary_emb.inv_freq"}};
}

}  // namespace

const Family kGptNeoxFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
