// GPT-2 (Radford et al. 2019): learned positions, LayerNorm before each block, biases everywhere,
// and linear layers stored transposed (Conv1D).
#include <array>

#include "weights_tools/families/all.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"gpt2"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "gpt2";
  config.vocab_size = json.size("vocab_size");
  config.hidden_size = config.embedding_size = json.size("n_embd");
  config.max_position_embeddings = json.size("n_positions");
  config.learned_positions = true;
  config.norm = {.kind = NormKind::kLayerNorm,
                 .eps = json.number_or("layer_norm_epsilon", 1e-5),
                 .bias = true};
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", true);
  config.bos_token_id = 50256;
  config.eos_token_ids = {50256};

  AttentionConfig& attention = layer.attention;
  attention.num_heads = attention.num_kv_heads = json.size("n_head");
  attention.head_dim = head_dim_of(json, "n_head", config.hidden_size, attention.num_heads);
  const bool scaled = json.boolean_or("scale_attn_weights", true);
  attention.scale = scaled ? default_scale(attention.head_dim) : 1.0;
  attention.qkv_bias = attention.out_bias = true;
  json.expect("scale_attn_by_inverse_layer_idx", false);
  layer.mlp = {.intermediate_size = json.size_or("n_inner", 4 * config.hidden_size),
               .activation = read_activation(json, "activation_function", "gelu_new"),
               .gated = false,
               .bias = true};
  config.set_uniform_layers(layer, json.size("n_layer"));

  // How transformers computes, and a size that only OpenAI's own code read.
  json.ignore({"reorder_and_upcast_attn", "n_ctx"});
  return config;
}

NameMap name_map(const ModelConfig& /*config*/) {
  constexpr SourceLayout kConv1d = SourceLayout::kTransposed;
  return {.tensors = {{TensorId::kTokenEmbedding, {"wte"}},
                      {TensorId::kPositionEmbedding, {"wpe"}},
                      {TensorId::kAttnNorm, {"h.#.ln_1"}},
                      {TensorId::kQkv, {"h.#.attn.c_attn"}, kConv1d},
                      {TensorId::kAttnOut, {"h.#.attn.c_proj"}, kConv1d},
                      {TensorId::kMlpNorm, {"h.#.ln_2"}},
                      {TensorId::kMlpUp, {"h.#.mlp.c_fc"}, kConv1d},
                      {TensorId::kMlpDown, {"h.#.mlp.c_proj"}, kConv1d},
                      {TensorId::kFinalNorm, {"ln_f"}},
                      {TensorId::kLmHead, {"lm_head"}}},
          .prefixes = {"transformer."},
          // The causal mask, and what masked scores become.
          .ignorable = {"h.#.attn.bias", "h.#.attn.masked_bias"}};
}

}  // namespace

const Family kGpt2Family = {kModelTypes, read_config, name_map};

}  // namespace eet
