#include "lib/model/model_config.h"

#include <cmath>
#include <limits>

#include "lib/core/error.h"

namespace eet {
namespace {

// Far above every published model, and small enough that products of two sizes fit int64_t and one
// size fits int32_t.
constexpr int64_t kMaxVocabSize = int64_t{1} << 24;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kMaxIntermediateSize = int64_t{1} << 20;
// What the kernels are built and tested for.
constexpr int64_t kMaxHiddenSize = 16384;
constexpr int64_t kMaxPositions = 131072;
constexpr int64_t kMaxHeadDim = 256;
constexpr int64_t kHeadDimStep = 8;
constexpr int64_t kMaxGroup = 16;

// Checks of single values; messages start with where the configuration comes from.
struct Checker {
  const std::string& where;

  void between(const char* name, int64_t value, int64_t low, int64_t high) const {
    require(value >= low && value <= high, where, ": ", name, ": expected ", low, " to ", high,
            ", got ", value);
  }
  void positive(const char* name, double value) const {
    require(std::isfinite(value) && value > 0, where, ": ", name,
            ": expected a positive number, got ", value);
  }
  void token_id(const char* name, int64_t id, int64_t vocab_size) const {
    require(id >= 0 && id < vocab_size, where, ": ", name, ": expected an id below vocab_size ",
            vocab_size, ", got ", id);
  }
};

void check_heads(const Checker& check, const ModelConfig& config) {
  check.between("num_heads", config.num_heads, 1, kMaxHeads);
  check.between("num_kv_heads", config.num_kv_heads, 1, config.num_heads);
  require(config.num_heads % config.num_kv_heads == 0, check.where,
          ": num_kv_heads: expected a divisor of num_heads ", config.num_heads, ", got ",
          config.num_kv_heads);
  check.between("num_heads / num_kv_heads", config.num_heads / config.num_kv_heads, 1, kMaxGroup);
  require(config.head_dim >= kHeadDimStep && config.head_dim <= kMaxHeadDim &&
              config.head_dim % kHeadDimStep == 0,
          check.where, ": head_dim: expected a multiple of ", kHeadDimStep, " up to ", kMaxHeadDim,
          ", got ", config.head_dim);
  check.positive("attention_scale", config.attention_scale);
}

void check_rope(const Checker& check, const RopeConfig& rope) {
  check.positive("rope theta", rope.theta);
  if (rope.scaling == RopeConfig::Scaling::kNone) return;
  check.positive("rope factor", rope.factor);
  if (rope.scaling != RopeConfig::Scaling::kLlama3) return;
  check.positive("rope low_freq_factor", rope.low_freq_factor);
  check.positive("rope high_freq_factor", rope.high_freq_factor);
  require(rope.high_freq_factor > rope.low_freq_factor, check.where,
          ": rope high_freq_factor: expected more than low_freq_factor ", rope.low_freq_factor,
          ", got ", rope.high_freq_factor);
  check.between("rope original_max_position_embeddings", rope.original_max_position_embeddings, 1,
                std::numeric_limits<int32_t>::max());
}

void add_norm_specs(std::vector<TensorSpec>& specs, const std::string& name,
                    const ModelConfig& config) {
  specs.push_back({name + ".weight", {config.hidden_size}});
  if (config.norm_bias) specs.push_back({name + ".bias", {config.hidden_size}});
}

void add_linear_specs(std::vector<TensorSpec>& specs, const std::string& name, int64_t out,
                      int64_t in, bool bias) {
  specs.push_back({name + ".weight", {out, in}});
  if (bias) specs.push_back({name + ".bias", {out}});
}

void add_layer_specs(std::vector<TensorSpec>& specs, const std::string& prefix,
                     const ModelConfig& config) {
  const int64_t hidden = config.hidden_size;
  const int64_t up_rows = config.intermediate_size * (config.gated_mlp ? 2 : 1);
  add_norm_specs(specs, prefix + "attn_norm", config);
  add_linear_specs(specs, prefix + "qkv", config.qkv_size(), hidden, config.qkv_bias);
  add_linear_specs(specs, prefix + "attn_out", hidden, config.attention_size(),
                   config.attention_out_bias);
  add_norm_specs(specs, prefix + "mlp_norm", config);
  add_linear_specs(specs, prefix + "mlp_up", up_rows, hidden, config.mlp_bias);
  add_linear_specs(specs, prefix + "mlp_down", hidden, config.intermediate_size, config.mlp_bias);
}

}  // namespace

void validate(const ModelConfig& config, const std::string& where) {
  const Checker check{where};
  check.between("vocab_size", config.vocab_size, 1, kMaxVocabSize);
  check.between("hidden_size", config.hidden_size, 1, kMaxHiddenSize);
  check.between("intermediate_size", config.intermediate_size, 1, kMaxIntermediateSize);
  check.between("num_layers", config.num_layers, 1, kMaxLayers);
  check.between("max_position_embeddings", config.max_position_embeddings, 1, kMaxPositions);
  check.positive("norm_eps", config.norm_eps);
  check_heads(check, config);
  if (config.position == PositionKind::kRope) check_rope(check, config.rope);
  if (config.bos_token_id) check.token_id("bos_token_id", *config.bos_token_id, config.vocab_size);
  for (int32_t id : config.eos_token_ids) check.token_id("eos_token_ids", id, config.vocab_size);
  require(config.dtype != DType::kI32, where, ": dtype: expected fp32, fp16 or bf16, got ",
          dtype_name(config.dtype));
}

std::vector<TensorSpec> tensor_specs(const ModelConfig& config) {
  std::vector<TensorSpec> specs;
  specs.push_back({"token_embedding.weight", {config.vocab_size, config.hidden_size}});
  if (config.position == PositionKind::kLearned) {
    specs.push_back(
        {"position_embedding.weight", {config.max_position_embeddings, config.hidden_size}});
  }
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    add_layer_specs(specs, "layers." + std::to_string(layer) + ".", config);
  }
  add_norm_specs(specs, "final_norm", config);
  if (!config.tie_word_embeddings) {
    specs.push_back({"lm_head.weight", {config.vocab_size, config.hidden_size}});
  }
  return specs;
}

int64_t parameter_count(const ModelConfig& config) {
  int64_t count = 0;
  for (const TensorSpec& spec : tensor_specs(config)) {
    int64_t elements = 1;
    for (int64_t dim : spec.shape) elements *= dim;
    count += elements;
  }
  return count;
}

}  // namespace eet
