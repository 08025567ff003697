// BLOOM (Scao et al. 2022): ALiBi, a LayerNorm of the embeddings, and q, k and v of each head
// stored together.
#include <array>

#include "weights_tools/families/all.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"bloom"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "bloom";
  config.vocab_size = json.size("vocab_size");
  config.hidden_size = config.embedding_size =
      json.size(json.has("n_embed") ? "n_embed" : "hidden_size");
  json.ignore({"hidden_size"});
  // Of training. Nothing in the model ends there; the cache's rows must end somewhere.
  config.max_position_embeddings = json.size_or("seq_length", 2048);
  config.norm = {.kind = NormKind::kLayerNorm,
                 .eps = json.number_or("layer_norm_epsilon", 1e-5),
                 .bias = true};
  config.embedding_norm = true;
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", true);
  config.bos_token_id = 1;
  config.eos_token_ids = {2};

  AttentionConfig& attention = layer.attention;
  const char* heads_key = first_present(json, "n_head", "num_attention_heads");
  attention.num_heads = attention.num_kv_heads = json.size(heads_key);
  attention.head_dim = head_dim_of(json, heads_key, config.hidden_size, attention.num_heads);
  attention.scale = default_scale(attention.head_dim);
  attention.alibi_scale = 1.0;
  attention.qkv_bias = attention.out_bias = true;
  layer.mlp = {.intermediate_size = 4 * config.hidden_size,
               .activation = Activation::kGeluTanh,
               .gated = false,
               .bias = true};
  config.set_uniform_layers(layer, json.size(first_present(json, "n_layer", "num_hidden_layers")));

  json.expect("apply_residual_connection_post_layernorm", false);
  // Of Megatron's implementation.
  json.ignore({"bias_dropout_fusion", "offset_alibi", "skip_bias_add", "skip_bias_add_qkv"});
  return config;
}

NameMap name_map(const ModelConfig& /*config*/) {
  return {.tensors = {{TensorId::kTokenEmbedding, {"word_embeddings"}},
                      {TensorId::kEmbeddingNorm, {"word_embeddings_layernorm"}},
                      {TensorId::kAttnNorm, {"h.#.input_layernorm"}},
                      {TensorId::kQkv,
                       {"h.#.self_attention.query_key_value"},
                       SourceLayout::kGroupedQkv},
                      {TensorId::kAttnOut, {"h.#.self_attention.dense"}},
                      {TensorId::kMlpNorm, {"h.#.post_attention_layernorm"}},
                      {TensorId::kMlpUp, {"h.#.mlp.dense_h_to_4h"}},
                      {TensorId::kMlpDown, {"h.#.mlp.dense_4h_to_h"}},
                      {TensorId::kFinalNorm, {"ln_f"}},
                      {TensorId::kLmHead, {"lm_head"}}},
          .prefixes = {"transformer."}};
}

}  // namespace

const Family kBloomFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
