// LLaMA (Touvron et al. 2023) and the models that share its block: RMSNorm, RoPE, grouped-query
// attention, SwiGLU. Mistral and Ministral add sliding windows, Qwen2 windows and biases of q, k
// and v, Qwen3 a norm of q and k.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 5> kModelTypes = {"llama", "mistral", "ministral", "qwen2",
                                                         "qwen3"};

// What the family means where its config.json says nothing.
SizeDefaults size_defaults(const std::string& family) {
  if (family == "llama") return {.max_positions = 2048};
  if (family == "qwen2") return {.max_positions = 32768, .num_kv_heads = 32};
  if (family == "qwen3") return {.max_positions = 32768, .num_kv_heads = 32, .head_dim = 128};
  return {.max_positions = 131072, .num_kv_heads = 8};
}

// Qwen: windows only where use_sliding_window says so, in the layers from max_window_layers on.
// Mistral: in all layers, of 4096 where the key is absent.
void read_windows(JsonObject& json, ModelConfig& config, const LayerConfig& layer,
                  int64_t num_layers) {
  const bool is_qwen = config.family.starts_with("qwen");
  const int64_t window =
      is_qwen ? switched_window(json, 4096) : size_unless_null(json, "sliding_window", 4096);
  const int64_t first = is_qwen ? json.integer_or("max_window_layers", 28) : 0;
  const std::vector<bool> sliding =
      read_sliding_layers(json, num_layers, [&](int64_t i) { return window > 0 && i >= first; });
  LayerConfig windowed = layer;
  windowed.attention.window = effective_window(json, window, config, sliding);
  set_layers(config, layer, windowed, sliding);
}

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = json.string("model_type");
  const bool is_llama = config.family == "llama";
  const bool is_qwen = config.family.starts_with("qwen");
  const int64_t num_layers = read_sizes(json, config, layer, size_defaults(config.family));
  config.norm.eps = json.number_or("rms_norm_eps", 1e-6);
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  if (!is_qwen) {
    config.bos_token_id = 1;
    config.eos_token_ids = {2};
  }
  AttentionConfig& attention = layer.attention;
  attention.rope = read_rope(json, config, attention.head_dim);
  layer.mlp.activation = read_activation(json, "hidden_act", "silu");
  if (is_llama || config.family == "qwen3") {
    attention.qkv_bias = attention.out_bias = json.boolean_or("attention_bias", false);
  } else {
    attention.qkv_bias = config.family == "qwen2";
  }
  if (is_llama) layer.mlp.bias = json.boolean_or("mlp_bias", false);
  if (config.family == "qwen3") {
    attention.qk_norm = QkNormKind::kHead;
    attention.qk_norm_config = config.norm;
  }
  if (is_llama) {
    config.set_uniform_layers(layer, num_layers);
  } else {
    read_windows(json, config, layer, num_layers);
  }
  json.expect("rope_interleaved", false);
  json.expect("use_mrope", false);
  return config;
}

}  // namespace

NameMap llama_names(const ModelConfig& /*config*/) {
  return {.tensors = {{TensorId::kTokenEmbedding, {"embed_tokens"}},
                      {TensorId::kAttnNorm, {"layers.#.input_layernorm"}},
                      {TensorId::kQkv,
                       {"layers.#.self_attn.q_proj", "layers.#.self_attn.k_proj",
                        "layers.#.self_attn.v_proj"}},
                      {TensorId::kQNorm, {"layers.#.self_attn.q_norm"}},
                      {TensorId::kKNorm, {"layers.#.self_attn.k_norm"}},
                      {TensorId::kAttnOut, {"layers.#.self_attn.o_proj"}},
                      {TensorId::kMlpNorm, {"layers.#.post_attention_layernorm"}},
                      {TensorId::kMlpUp, {"layers.#.mlp.gate_proj", "layers.#.mlp.up_proj"}},
                      {TensorId::kMlpDown, {"layers.#.mlp.down_proj"}},
                      {TensorId::kFinalNorm, {"norm"}},
                      {TensorId::kLmHead, {"lm_head"}}},
          .prefixes = {"model."},
          // RoPE's frequencies follow from the configuration; old versions stored them.
          .ignorable = {"rotary_emb.inv_freq", "layers.#.self_attn.rotary_emb.inv_freq"}};
}

const Family kLlamaFamily = {kModelTypes, read_config, llama_names};

}  // namespace eet
