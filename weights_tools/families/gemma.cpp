// Gemma 1, 2 and 3 (Google 2024, 2025): embeddings times sqrt(hidden size), norm weights stored as
// w - 1, GeGLU. Gemma 2 and 3 norm before and after each block and slide in most layers; Gemma 2
// caps scores and logits; Gemma 3 norms q and k, and turns by another base where it slides.
#include <array>
#include <cmath>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kGemmaTypes = {"gemma"};
constexpr std::array<std::string_view, 1> kGemma2Types = {"gemma2"};
constexpr std::array<std::string_view, 1> kGemma3Types = {"gemma3_text"};
constexpr std::array<std::string_view, 1> kGemma3MultimodalTypes = {"gemma3"};

constexpr SizeDefaults kGemma = {.max_positions = 8192,
                                 .num_kv_heads = 16,
                                 .head_dim = 256,
                                 .vocab_size = 256000,
                                 .hidden_size = 3072,
                                 .intermediate_size = 24576,
                                 .num_layers = 28,
                                 .num_heads = 16};
constexpr SizeDefaults kGemma2 = {.max_positions = 8192,
                                  .num_kv_heads = 4,
                                  .head_dim = 256,
                                  .vocab_size = 256000,
                                  .hidden_size = 2304,
                                  .intermediate_size = 9216,
                                  .num_layers = 26,
                                  .num_heads = 8};
constexpr SizeDefaults kGemma3 = {.max_positions = 131072,
                                  .num_kv_heads = 4,
                                  .head_dim = 256,
                                  .vocab_size = 262208,
                                  .hidden_size = 2304,
                                  .intermediate_size = 9216,
                                  .num_layers = 26,
                                  .num_heads = 8};

// What all three share. Returns the number of layers.
int64_t read_block(JsonObject& json, ModelConfig& config, LayerConfig& layer,
                   const SizeDefaults& defaults, const char* activation_key) {
  const int64_t num_layers = read_sizes(json, config, layer, defaults);
  config.norm = {.eps = json.number_or("rms_norm_eps", 1e-6), .weight_offset = 1.0};
  config.embedding_multiplier = std::sqrt(static_cast<double>(config.hidden_size));
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", true);
  config.bos_token_id = 2;
  config.eos_token_ids = {1};
  layer.attention.qkv_bias = layer.attention.out_bias = json.boolean_or("attention_bias", false);
  layer.mlp.activation = read_activation(json, activation_key, "gelu_pytorch_tanh");
  json.expect("use_bidirectional_attention", false);
  return num_layers;
}

ModelConfig read_gemma(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "gemma";
  const int64_t num_layers = read_block(json, config, layer, kGemma, "hidden_act");
  // Written beside hidden_act; transformers reads only that.
  json.ignore({"hidden_activation"});
  layer.attention.rope = read_rope(json, config, layer.attention.head_dim);
  config.set_uniform_layers(layer, num_layers);
  return config;
}

// What Gemma 2 and 3 share: norms around, the scores' scale, and windows in all layers but every
// `interval`-th.
void read_layers(JsonObject& json, ModelConfig& config, LayerConfig full, LayerConfig windowed,
                 int64_t num_layers, int64_t interval) {
  const double scale = 1.0 / std::sqrt(json.number_or("query_pre_attn_scalar", 256.0));
  const int64_t window = size_unless_null(json, "sliding_window", 4096);
  const std::vector<bool> sliding =
      read_sliding_layers(json, num_layers, [&](int64_t i) { return (i + 1) % interval != 0; });
  windowed.attention.window = effective_window(json, window, config, sliding);
  for (LayerConfig* layer : {&full, &windowed}) {
    layer->norms = NormPlacement::kAround;
    layer->attention.scale = scale;
  }
  set_layers(config, full, windowed, sliding);
}

ModelConfig read_gemma2(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "gemma2";
  const int64_t num_layers = read_block(json, config, layer, kGemma2, "hidden_activation");
  json.ignore({"hidden_act"});
  layer.attention.rope = read_rope(json, config, layer.attention.head_dim);
  layer.attention.softcap = number_unless_null(json, "attn_logit_softcapping", 50.0);
  config.logit_softcap = number_unless_null(json, "final_logit_softcapping", 30.0);
  constexpr int64_t kInterval = 2;
  read_layers(json, config, layer, layer, num_layers, kInterval);
  return config;
}

ModelConfig read_gemma3(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "gemma3_text";
  const int64_t num_layers = read_block(json, config, layer, kGemma3, "hidden_activation");
  config.logit_softcap = json.number_or("final_logit_softcapping", 0.0);
  // transformers' Gemma 3 does not cap scores, whatever the value.
  json.ignore({"hidden_act", "attn_logit_softcapping"});
  layer.attention.qk_norm = QkNormKind::kHead;
  layer.attention.qk_norm_config = config.norm;
  LayerConfig windowed = layer;
  const int64_t head_dim = layer.attention.head_dim;
  layer.attention.rope =
      read_rope_of(json, "full_attention", config, head_dim, {.theta = 1000000.0});
  windowed.attention.rope = read_rope_of(json, "sliding_attention", config, head_dim,
                                         {.theta_key = "rope_local_base_freq"});
  const int64_t interval = json.size_or("sliding_window_pattern", 6);
  read_layers(json, config, layer, windowed, num_layers, interval);
  return config;
}

// The text model of a checkpoint with a vision tower: its head caps no logits.
ModelConfig read_gemma3_multimodal(JsonObject& json) {
  ModelConfig config = read_gemma3(json);
  config.logit_softcap = 0;
  return config;
}

NameMap norms_around(const ModelConfig& config) {
  NameMap names = llama_names(config);
  std::erase_if(names.tensors,
                [](const StoredAs& stored) { return stored.id == TensorId::kMlpNorm; });
  names.tensors.push_back({TensorId::kAttnPostNorm, {"layers.#.post_attention_layernorm"}});
  names.tensors.push_back({TensorId::kMlpNorm, {"layers.#.pre_feedforward_layernorm"}});
  names.tensors.push_back({TensorId::kMlpPostNorm, {"layers.#.post_feedforward_layernorm"}});
  return names;
}

NameMap multimodal(const ModelConfig& config) {
  NameMap names = norms_around(config);
  names.prefixes = {"language_model.model.", "model.language_model.", "language_model.", "model."};
  for (const char* tower : {"vision_tower.*", "multi_modal_projector.*"}) {
    names.ignorable.emplace_back(tower);
  }
  return names;
}

}  // namespace

const Family kGemmaFamily = {kGemmaTypes, read_gemma, llama_names};
const Family kGemma2Family = {kGemma2Types, read_gemma2, norms_around};
const Family kGemma3Family = {kGemma3Types, read_gemma3, norms_around};
const Family kGemma3MultimodalFamily = {kGemma3MultimodalTypes, read_gemma3_multimodal, multimodal,
                                        true};

}  // namespace eet
