// Qwen2-MoE and Qwen3-MoE (Alibaba 2024, 2025): the blocks of Qwen2 and Qwen3 with experts in the
// layers that the configuration names. Qwen2-MoE has a shared expert, gated.
#include <algorithm>
#include <array>

#include "lib/core/error.h"
#include "weights_tools/families/all.h"
#include "weights_tools/families/expert_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 2> kModelTypes = {"qwen2_moe", "qwen3_moe"};

// Which layers have experts: every decoder_sparse_step-th that mlp_only_layers does not list.
std::vector<bool> read_sparse_layers(JsonObject& json, int64_t num_layers) {
  const int64_t step = json.size_or("decoder_sparse_step", 1);
  std::vector<int64_t> dense;
  for (const auto& layer : json.value("mlp_only_layers")) {
    if (!layer.is_number_integer()) json.refuse("mlp_only_layers", "a list of layers");
    dense.push_back(layer.get<int64_t>());
  }
  std::vector<bool> sparse;
  for (int64_t i = 0; i < num_layers; ++i) {
    const bool listed = std::find(dense.begin(), dense.end(), i) != dense.end();
    sparse.push_back(!listed && (i + 1) % step == 0);
  }
  return sparse;
}

// Qwen2-MoE: every second of the first max_window_layers. Qwen3-MoE: all.
std::vector<bool> read_windows(JsonObject& json, const ModelConfig& config, int64_t num_layers,
                               int64_t& window) {
  window = switched_window(json, 4096);
  const bool is_qwen2 = config.family == "qwen2_moe";
  const int64_t last = json.integer_or("max_window_layers", 28);
  const auto slides = [&](int64_t i) {
    return window > 0 && (!is_qwen2 || (i % 2 == 0 && i < last));
  };
  std::vector<bool> sliding(static_cast<size_t>(num_layers), window > 0);
  if (is_qwen2) sliding = read_sliding_layers(json, num_layers, slides);
  window = effective_window(json, window, config, sliding);
  return sliding;
}

void read_experts_of(JsonObject& json, const ModelConfig& config, LayerConfig& layer) {
  const bool is_qwen2 = config.family == "qwen2_moe";
  layer.experts = is_qwen2 ? read_experts(json, 60, 4) : read_experts(json, 128, 8);
  layer.experts.normalise = json.boolean_or("norm_topk_prob", false);
  layer.mlp.intermediate_size = json.size_or("moe_intermediate_size", is_qwen2 ? 1408 : 768);
  if (!is_qwen2) return;
  layer.experts.shared_intermediate_size = json.size_or("shared_expert_intermediate_size", 5632);
  layer.experts.shared_gate = true;
}

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig dense;
  config.family = json.string("model_type");
  const bool is_qwen2 = config.family == "qwen2_moe";
  const int64_t num_layers =
      read_sizes(json, config, dense, {.max_positions = 32768, .num_kv_heads = is_qwen2 ? 16 : 4});
  config.norm.eps = json.number_or("rms_norm_eps", 1e-6);
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  AttentionConfig& attention = dense.attention;
  attention.rope = read_rope(json, config, attention.head_dim);
  if (is_qwen2) {
    attention.qkv_bias = json.boolean_or("qkv_bias", true);
  } else {
    attention.qkv_bias = attention.out_bias = json.boolean_or("attention_bias", false);
    attention.qk_norm = QkNormKind::kHead;
    attention.qk_norm_config = config.norm;
  }
  dense.mlp.activation = read_activation(json, "hidden_act", "silu");
  LayerConfig sparse = dense;
  read_experts_of(json, config, sparse);
  int64_t window = 0;
  const std::vector<bool> sliding = read_windows(json, config, num_layers, window);
  const std::vector<bool> has_experts = read_sparse_layers(json, num_layers);
  for (size_t i = 0; i < has_experts.size(); ++i) {
    LayerConfig layer = has_experts[i] ? sparse : dense;
    if (sliding[i]) layer.attention.window = window;
    add_layer(config, layer);
  }
  return config;
}

NameMap name_map(const ModelConfig& config) {
  NameMap names = expert_names(config);
  names.tensors.push_back(
      {TensorId::kSharedUp,
       {"layers.#.mlp.shared_expert.gate_proj", "layers.#.mlp.shared_expert.up_proj"}});
  names.tensors.push_back({TensorId::kSharedDown, {"layers.#.mlp.shared_expert.down_proj"}});
  names.tensors.push_back({TensorId::kSharedGate, {"layers.#.mlp.shared_expert_gate"}});
  return names;
}

}  // namespace

const Family kQwenMoeFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
