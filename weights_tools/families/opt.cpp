// OPT (Zhang et al. 2022): learned positions behind two unused rows, LayerNorm before each block
// or, at 350m, after the sum, and there embeddings of another width than the layers.
#include <array>

#include "weights_tools/families/all.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"opt"};

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "opt";
  const SizeKeys keys = {.intermediate_size = "ffn_dim"};
  const int64_t num_layers = read_sizes(json, config, layer, {.max_positions = 2048}, keys);
  config.embedding_size = json.size_or("word_embed_proj_dim", config.hidden_size);
  config.learned_positions = true;
  const bool affine = json.boolean_or("layer_norm_elementwise_affine", true);
  config.norm = {.kind = NormKind::kLayerNorm, .eps = 1e-5, .weight = affine, .bias = affine};
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", true);
  config.bos_token_id = 2;
  config.eos_token_ids = {2};
  const bool before = json.boolean_or("do_layer_norm_before", true);
  layer.norms = before ? NormPlacement::kBefore : NormPlacement::kResidual;
  config.final_norm = before && !json.boolean_or("_remove_final_layer_norm", false);
  const bool bias = json.boolean_or("enable_bias", true);
  layer.attention.qkv_bias = layer.attention.out_bias = bias;
  layer.mlp.activation = read_activation(json, "activation_function", "relu");
  layer.mlp.gated = false;
  layer.mlp.bias = bias;
  config.set_uniform_layers(layer, num_layers);
  return config;
}

NameMap name_map(const ModelConfig& /*config*/) {
  constexpr int64_t kUnusedPositions = 2;
  return {.tensors = {{TensorId::kTokenEmbedding, {"embed_tokens"}},
                      {TensorId::kPositionEmbedding,
                       {"embed_positions"},
                       SourceLayout::kSame,
                       kUnusedPositions},
                      {TensorId::kEmbeddingProjection, {"project_in"}},
                      {TensorId::kAttnNorm, {"layers.#.self_attn_layer_norm"}},
                      {TensorId::kQkv,
                       {"layers.#.self_attn.q_proj", "layers.#.self_attn.k_proj",
                        "layers.#.self_attn.v_proj"}},
                      {TensorId::kAttnOut, {"layers.#.self_attn.out_proj"}},
                      {TensorId::kMlpNorm, {"layers.#.final_layer_norm"}},
                      {TensorId::kMlpUp, {"layers.#.fc1"}},
                      {TensorId::kMlpDown, {"layers.#.fc2"}},
                      {TensorId::kFinalNorm, {"final_layer_norm"}},
                      {TensorId::kOutputProjection, {"project_out"}},
                      {TensorId::kLmHead, {"lm_head"}}},
          .prefixes = {"model.decoder.", "decoder."}};
}

}  // namespace

const Family kOptFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
