#include "lib/model/config.h"

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
constexpr int64_t kMaxPositions = int64_t{1} << 24;
constexpr int64_t kMaxHeadDim = 512;
constexpr int64_t kHeadDimStep = 8;
constexpr int64_t kMaxGroup = 128;

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
  void not_negative(const char* name, double value) const {
    require(std::isfinite(value) && value >= 0, where, ": ", name,
            ": expected 0 or a positive number, got ", value);
  }
  void token_id(const char* name, int64_t id, int64_t vocab_size) const {
    require(id >= 0 && id < vocab_size, where, ": ", name, ": expected an id below vocab_size ",
            vocab_size, ", got ", id);
  }
};

void check_factors(const Checker& check, const char* name, const std::vector<double>& factors,
                   int64_t count) {
  require(static_cast<int64_t>(factors.size()) == count, check.where, ": ", name, ": expected ",
          count, " numbers, one for each pair that turns, got ", factors.size());
  for (const double factor : factors) check.positive(name, factor);
}

void check_attention(const Checker& check, const AttentionConfig& attention) {
  check.between("num_heads", attention.num_heads, 1, kMaxHeads);
  check.between("num_kv_heads", attention.num_kv_heads, 1, attention.num_heads);
  require(attention.num_heads % attention.num_kv_heads == 0, check.where,
          ": num_kv_heads: expected a divisor of num_heads ", attention.num_heads, ", got ",
          attention.num_kv_heads);
  check.between("num_heads / num_kv_heads", attention.num_heads / attention.num_kv_heads, 1,
                kMaxGroup);
  require(attention.head_dim >= kHeadDimStep && attention.head_dim <= kMaxHeadDim &&
              attention.head_dim % kHeadDimStep == 0,
          check.where, ": head_dim: expected a multiple of ", kHeadDimStep, " up to ", kMaxHeadDim,
          ", got ", attention.head_dim);
  check.positive("attention scale", attention.scale);
  check.between("window", attention.window, 0, std::numeric_limits<int32_t>::max());
  check.not_negative("attention softcap", attention.softcap);
  check.not_negative("ALiBi scale", attention.alibi_scale);
}

void check_rope(const Checker& check, const RopeConfig& rope, int64_t head_dim) {
  if (rope.rotary_dim == 0) return;
  check.between("rotary_dim", rope.rotary_dim, 2, head_dim);
  require(rope.rotary_dim % 2 == 0, check.where, ": rotary_dim: expected an even number, got ",
          rope.rotary_dim);
  check.positive("rope theta", rope.theta);
  check.positive("rope attention_factor", rope.attention_factor);
  using Scaling = RopeConfig::Scaling;
  if (rope.scaling == Scaling::kNone) return;
  check.positive("rope factor", rope.factor);
  if (rope.scaling == Scaling::kLinear) return;
  check.between("rope original_max_position_embeddings", rope.original_max_position_embeddings, 1,
                std::numeric_limits<int32_t>::max());
  if (rope.scaling == Scaling::kLlama3) {
    check.positive("rope low_freq_factor", rope.low_freq_factor);
    check.positive("rope high_freq_factor", rope.high_freq_factor);
    require(rope.high_freq_factor > rope.low_freq_factor, check.where,
            ": rope high_freq_factor: expected more than low_freq_factor ", rope.low_freq_factor,
            ", got ", rope.high_freq_factor);
  }
  if (rope.scaling == Scaling::kYarn) {
    check.positive("rope beta_fast", rope.beta_fast);
    check.positive("rope beta_slow", rope.beta_slow);
  }
  if (rope.scaling == Scaling::kLongrope) {
    check_factors(check, "rope short_factor", rope.short_factors, rope.rotary_dim / 2);
    check_factors(check, "rope long_factor", rope.long_factors, rope.rotary_dim / 2);
  }
}

void check_norm(const Checker& check, const char* name, const NormConfig& norm) {
  check.positive(name, norm.eps);
  require(std::isfinite(norm.weight_offset), check.where, ": ", name,
          " weight_offset: expected a number");
}

void check_mlp(const Checker& check, const LayerConfig& layer) {
  const MlpConfig& mlp = layer.mlp;
  check.between("intermediate_size", mlp.intermediate_size, 1, kMaxIntermediateSize);
  check.not_negative("swiglu_limit", mlp.swiglu_limit);
  require(mlp.swiglu_limit == 0 || (mlp.gated && layer.has_experts()), check.where,
          ": swiglu_limit: expected 0 but for gated experts");
  const ExpertsConfig& experts = layer.experts;
  check.between("experts", experts.count, 0, kMaxExperts);
  if (!layer.has_experts()) return;
  check.between("experts top_k", experts.top_k, 1, std::min<int64_t>(experts.count, kMaxTopK));
  check.positive("experts scaling", experts.scaling);
  check.between("shared_intermediate_size", experts.shared_intermediate_size, 0,
                kMaxIntermediateSize);
  require(experts.shared_intermediate_size == 0 || mlp.swiglu_limit == 0, check.where,
          ": shared_intermediate_size: expected 0 beside experts with a swiglu_limit");
}

void check_layer(const Checker& check, const LayerConfig& layer) {
  check_attention(check, layer.attention);
  check_rope(check, layer.attention.rope, layer.attention.head_dim);
  if (layer.attention.qk_norm != QkNormKind::kNone) {
    check_norm(check, "qk_norm eps", layer.attention.qk_norm_config);
  }
  check_mlp(check, layer);
  require(std::isfinite(layer.residual_multiplier), check.where,
          ": residual_multiplier: expected a number");
  require(layer.residual == Residual::kSequential || layer.norms == NormPlacement::kBefore,
          check.where, ": a layer whose MLP runs beside its attention: expected norms before both");
}

// A token has one row in the tables of all layers.
void check_longrope(const Checker& check, const ModelConfig& config) {
  const RopeConfig* longrope = config.longrope();
  if (longrope == nullptr) return;
  for (const LayerConfig& kind : config.layer_kinds) {
    const RopeConfig& rope = kind.attention.rope;
    require(rope.rotary_dim == 0 || (rope.scaling == longrope->scaling &&
                                     rope.original_max_position_embeddings ==
                                         longrope->original_max_position_embeddings),
            check.where, ": longrope: expected the same in all layers that turn");
  }
}

}  // namespace

const RopeConfig* ModelConfig::longrope() const {
  for (const LayerConfig& kind : layer_kinds) {
    if (kind.attention.rope.scaling == RopeConfig::Scaling::kLongrope) return &kind.attention.rope;
  }
  return nullptr;
}

void ModelConfig::set_uniform_layers(const LayerConfig& layer, int64_t count) {
  require(count >= 1 && count <= kMaxLayers, "number of layers: expected 1 to ", kMaxLayers,
          ", got ", count);
  layer_kinds = {layer};
  layers.assign(static_cast<size_t>(count), 0);
}

void validate(const ModelConfig& config, const std::string& where) {
  const Checker check{where};
  check.between("vocab_size", config.vocab_size, 1, kMaxVocabSize);
  check.between("hidden_size", config.hidden_size, 1, kMaxHiddenSize);
  check.between("embedding_size", config.embedding_size, 1, kMaxHiddenSize);
  check.between("num_layers", config.num_layers(), 1, kMaxLayers);
  check.between("max_position_embeddings", config.max_position_embeddings, 1, kMaxPositions);
  check_norm(check, "norm_eps", config.norm);
  check.positive("embedding_multiplier", config.embedding_multiplier);
  check.positive("logit_multiplier", config.logit_multiplier);
  check.not_negative("logit softcap", config.logit_softcap);
  require(!config.layer_kinds.empty(), where, ": layer_kinds: expected at least one");
  for (const LayerConfig& kind : config.layer_kinds) {
    check_layer(check, kind);
    const AttentionConfig& first = config.attention();
    require(kind.attention.num_heads == first.num_heads &&
                kind.attention.num_kv_heads == first.num_kv_heads &&
                kind.attention.head_dim == first.head_dim,
            where, ": expected the same heads in every layer");
  }
  check_longrope(check, config);
  require(config.embedding_size == config.hidden_size || config.learned_positions, where,
          ": embedding_size: expected hidden_size ", config.hidden_size,
          " in a model without learned positions, got ", config.embedding_size);
  for (const int64_t kind : config.layers) {
    check.between("layers", kind, 0, static_cast<int64_t>(config.layer_kinds.size()) - 1);
  }
  if (config.bos_token_id) check.token_id("bos_token_id", *config.bos_token_id, config.vocab_size);
  for (int32_t id : config.eos_token_ids) check.token_id("eos_token_ids", id, config.vocab_size);
  require(config.dtype != DType::kI32, where, ": dtype: expected fp32, fp16 or bf16, got ",
          dtype_name(config.dtype));
}

}  // namespace eet
