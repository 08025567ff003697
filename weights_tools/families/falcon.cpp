// Falcon (Almazrouei et al. 2023): 7B with one key head, 40B with groups of heads and two norms,
// RW with ALiBi and sequential blocks.
#include <array>

#include "weights_tools/families/all.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"falcon"};

// Of the decoder before 40B, multi_query decides about key heads.
void read_heads(JsonObject& json, const ModelConfig& config, AttentionConfig& attention,
                bool is_new) {
  attention.num_heads = json.size("num_attention_heads");
  attention.head_dim =
      head_dim_of(json, "num_attention_heads", config.hidden_size, attention.num_heads);
  attention.scale = default_scale(attention.head_dim);
  const bool multi_query = json.boolean_or("multi_query", true);
  const int64_t kv_heads = json.size_or("num_kv_heads", attention.num_heads);
  attention.num_kv_heads = is_new ? kv_heads : multi_query ? 1 : attention.num_heads;
}

// One norm for both blocks, one for each, or the MLP's behind attention.
Residual read_residual(JsonObject& json, bool is_new) {
  const bool parallel = json.boolean_or("parallel_attn", true);
  const int64_t norms = json.size_or("num_ln_in_parallel_attn", is_new ? 2 : 1);
  if (norms > 2 || (norms == 2 && !is_new)) {
    json.refuse("num_ln_in_parallel_attn", "1, or 2 with new_decoder_architecture");
  }
  if (!parallel && is_new) {
    json.refuse("parallel_attn", "true with new_decoder_architecture");
  }
  if (!parallel) return Residual::kSequential;
  return norms == 2 ? Residual::kParallel : Residual::kParallelOneNorm;
}

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "falcon";
  config.vocab_size = json.size("vocab_size");
  config.hidden_size = config.embedding_size =
      json.size(json.has("n_embed") ? "n_embed" : "hidden_size");
  json.ignore({"hidden_size"});
  config.max_position_embeddings = json.size_or("max_position_embeddings", 2048);
  config.norm = {.kind = NormKind::kLayerNorm,
                 .eps = json.number_or("layer_norm_epsilon", 1e-5),
                 .bias = true};
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", true);
  config.bos_token_id = 11;
  config.eos_token_ids = {11};

  const bool is_new = json.boolean_or("new_decoder_architecture", false);
  AttentionConfig& attention = layer.attention;
  read_heads(json, config, attention, is_new);
  layer.residual = read_residual(json, is_new);
  const RopeConfig rope = read_rope(json, config, attention.head_dim);
  if (json.boolean_or("alibi", false)) {
    // transformers adds it before it scales.
    attention.alibi_scale = attention.scale;
  } else {
    attention.rope = rope;
  }
  const bool bias = json.boolean_or("bias", false);
  attention.qkv_bias = attention.out_bias = bias;
  layer.mlp = {.intermediate_size = json.size_or("ffn_hidden_size", 4 * config.hidden_size),
               .activation = read_activation(json, "activation", "gelu"),
               .gated = false,
               .bias = bias};
  config.set_uniform_layers(layer, json.size("num_hidden_layers"));
  json.expect("apply_residual_connection_post_layernorm", false);
  return config;
}

NameMap name_map(const ModelConfig& config) {
  const bool two_norms = config.layer(0).residual == Residual::kParallel;
  return {.tensors =
              {{TensorId::kTokenEmbedding, {"word_embeddings"}},
               {TensorId::kAttnNorm, {two_norms ? "h.#.ln_attn" : "h.#.input_layernorm"}},
               {TensorId::kQkv, {"h.#.self_attention.query_key_value"}, SourceLayout::kGroupedQkv},
               {TensorId::kAttnOut, {"h.#.self_attention.dense"}},
               {TensorId::kMlpNorm, {two_norms ? "h.#.ln_mlp" : "h.#.post_attention_layernorm"}},
               {TensorId::kMlpUp, {"h.#.mlp.dense_h_to_4h"}},
               {TensorId::kMlpDown, {"h.#.mlp.dense_4h_to_h"}},
               {TensorId::kFinalNorm, {"ln_f"}},
               {TensorId::kLmHead, {"lm_head"}}},
          .prefixes = {"transformer."},
          .ignorable = {"h.#.self_attention.rotary_emb.inv_freq"}};
}

}  // namespace

const Family kFalconFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
