// gpt-oss (OpenAI 2025): grouped-query attention with a sink for each head, biases, a window in
// every other layer; experts with a clamped SwiGLU and biases.
#include <array>

#include "weights_tools/families/all.h"
#include "weights_tools/families/llama_names.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"gpt_oss"};
constexpr double kTheta = 150000.0;
constexpr double kSwigluLimit = 7.0;  // the implementation knows no other

// YaRN where the configuration says nothing.
RopeConfig read_rotation(JsonObject& json, const ModelConfig& config, int64_t head_dim) {
  if (json.has("rope_parameters") || json.has("rope_scaling")) {
    return read_rope(json, config, head_dim, {.theta = kTheta});
  }
  JsonObject standard({{"rope_theta", json.number_or("rope_theta", kTheta)},
                       {"rope_scaling",
                        {{"rope_type", "yarn"},
                         {"factor", 32.0},
                         {"beta_fast", 32.0},
                         {"beta_slow", 1.0},
                         {"truncate", false},
                         {"original_max_position_embeddings", 4096}}}},
                      json.file());
  json.ignore({"rope_parameters", "rope_scaling"});
  return read_rope(standard, config, head_dim);
}

void read_windows(JsonObject& json, ModelConfig& config, const LayerConfig& layer,
                  int64_t num_layers) {
  const int64_t window = size_unless_null(json, "sliding_window", 128);
  const std::vector<bool> sliding =
      read_sliding_layers(json, num_layers, [](int64_t i) { return i % 2 == 0; });
  LayerConfig windowed = layer;
  windowed.attention.window = effective_window(json, window, config, sliding);
  set_layers(config, layer, windowed, sliding);
}

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  LayerConfig layer;
  config.family = "gpt_oss";
  const int64_t num_layers =
      read_sizes(json, config, layer, {.max_positions = 131072, .num_kv_heads = 8, .head_dim = 64});
  config.norm.eps = json.number_or("rms_norm_eps", 1e-5);
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  AttentionConfig& attention = layer.attention;
  attention.rope = read_rotation(json, config, attention.head_dim);
  attention.qkv_bias = attention.out_bias = json.boolean_or("attention_bias", true);
  attention.sinks = true;
  layer.mlp.bias = true;
  layer.mlp.swiglu_limit = kSwigluLimit;
  json.expect("hidden_act", "silu");
  json.expect("swiglu_limit", kSwigluLimit);
  layer.experts = read_experts(json, 128, 4);
  layer.experts.scores = RouterScores::kTopKSoftmax;
  layer.experts.router_bias = true;
  json.expect("experts_per_token", layer.experts.top_k);
  json.ignore({"initial_context_length"});
  read_windows(json, config, layer, num_layers);
  return config;
}

NameMap name_map(const ModelConfig& config) {
  NameMap names = llama_names(config);
  const std::initializer_list<StoredAs> others = {
      {TensorId::kSinks, {"layers.#.self_attn.sinks!"}},
      {TensorId::kRouter, {"layers.#.mlp.router"}},
      // MXFP4, whose unpacked rows are those of the product.
      {TensorId::kExpertsUp,
       {"layers.#.mlp.experts.gate_up_proj_blocks!"},
       SourceLayout::kInterleavedGates},
      {TensorId::kExpertsUp,
       {"layers.#.mlp.experts.gate_up_proj!"},
       SourceLayout::kTransposedInterleavedGates},
      {TensorId::kExpertsDown, {"layers.#.mlp.experts.down_proj_blocks!"}},
      {TensorId::kExpertsDown, {"layers.#.mlp.experts.down_proj!"}, SourceLayout::kTransposed}};
  names.tensors.insert(names.tensors.end(), others);
  return names;
}

}  // namespace

const Family kGptOssFamily = {kModelTypes, read_config, name_map};

}  // namespace eet
