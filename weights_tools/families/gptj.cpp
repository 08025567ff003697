// GPT-J (Wang and Komatsuzaki 2021): attention and MLP side by side behind one LayerNorm; the first
// elements of each head turn in neighbouring pairs.
#include <array>

#include "weights_tools/families/all.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"gptj"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "gptj";
  config.vocab_size = json.size("vocab_size");
  config.hidden_size = config.embedding_size = json.size("n_embd");
  config.max_position_embeddings = json.size_or("n_positions", 2048);
  config.norm = {.kind = NormKind::kLayerNorm,
                 .eps = json.number_or("layer_norm_epsilon", 1e-5),
                 .bias = true};
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.lm_head_bias = true;
  config.bos_token_id = 50256;
  config.eos_token_ids = {50256};

  AttentionConfig& attention = layer.attention;
  attention.num_heads = attention.num_kv_heads = json.size("n_head");
  attention.head_dim = head_dim_of(json, "n_head", config.hidden_size, attention.num_heads);
  attention.scale = default_scale(attention.head_dim);
  attention.rope.interleaved = true;
  attention.rope.rotary_dim = json.contains("rotary_dim") ? json.size("rotary_dim") : 64;
  layer.mlp = {.intermediate_size = json.size_or("n_inner", 4 * config.hidden_size),
               .activation = read_activation(json, "activation_function", "gelu_new"),
               .gated = false,
               .bias = true};
  layer.residual = Residual::kParallelOneNorm;
  config.set_uniform_layers(layer, json.size("n_layer"));

  json.expect("rotary", true);
  json.expect("scale_attn_weights", true);
  return config;
}

NameMap name_map(const ModelConfig& /*config*/) {
  return {.tensors = {{TensorId::kTokenEmbedding, {"wte"}},
                      {TensorId::kAttnNorm, {"h.#.ln_1"}},
                      {TensorId::kQkv, {"h.#.attn.q_proj", "h.#.attn.k_proj", "h.#.attn.v_proj"}},
                      {TensorId::kAttnOut, {"h.#.attn.out_proj"}},
                      {TensorId::kMlpUp, {"h.#.mlp.fc_in"}},
                      {TensorId::kMlpDown, {"h.#.mlp.fc_out"}},
                      {TensorId::kFinalNorm, {"ln_f"}},
                      {TensorId::kLmHead, {"lm_head"}}},
          .prefixes = {"transformer."},
          // The causal mask, what masked scores become, and the table of sines and cosines.
          .ignorable = {"h.#.attn.bias", "h.#.attn.masked_bias", "h.#.attn.embed_positions"}};
}

}  // namespace

const Family kGptjFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
