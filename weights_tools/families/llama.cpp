// LLaMA (Touvron et al. 2023) and the models that share its block: Mistral without a sliding window
// and Qwen2, which adds biases to q, k and v. RMSNorm, RoPE, grouped-query attention, SwiGLU.
#include <array>
#include <cmath>

#include "lib/core/error.h"
#include "weights_tools/families.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 3> kModelTypes = {"llama", "mistral", "qwen2"};

// The keys of `rope_scaling` (transformers 4) or `rope_parameters` (transformers 5).
void read_rope_object(RopeConfig& rope, JsonObject json) {
  if (json.has("rope_type") && json.has("type")) json.expect("type", json.string("rope_type"));
  const char* type_key = json.has("rope_type") ? "rope_type" : "type";
  const std::string type = json.string_or(type_key, "default");
  json.expect("partial_rotary_factor", 1.0);
  rope.theta = json.number_or("rope_theta", rope.theta);
  if (type == "linear") {
    rope.scaling = RopeConfig::Scaling::kLinear;
    rope.factor = json.number("factor");
  } else if (type == "llama3") {
    rope.scaling = RopeConfig::Scaling::kLlama3;
    rope.factor = json.number("factor");
    rope.low_freq_factor = json.number("low_freq_factor");
    rope.high_freq_factor = json.number("high_freq_factor");
    rope.original_max_position_embeddings = json.size("original_max_position_embeddings");
  } else if (type != "default") {
    json.refuse(type_key, "default, linear or llama3");
  }
  json.refuse_unknown_keys();
}

RopeConfig read_rope(JsonObject& json) {
  RopeConfig rope;
  rope.theta = json.number_or("rope_theta", rope.theta);
  const bool nested = json.has("rope_parameters");
  if (nested && json.has("rope_scaling")) {
    json.expect("rope_scaling", json.value("rope_parameters"));
  }
  const std::string key = nested ? "rope_parameters" : "rope_scaling";
  json.ignore({"rope_parameters", "rope_scaling"});  // null, or read now
  if (json.has(key)) read_rope_object(rope, json.object(key));
  if (json.has("rope_theta") && rope.theta != json.number("rope_theta")) {
    json.refuse("rope_theta", concat("the ", rope.theta, " of ", key));
  }
  json.expect("partial_rotary_factor", 1.0);
  json.expect("rope_interleaved", false);
  return rope;
}

// A window that no position can leave is no window.
void read_sliding_window(JsonObject& json, const ModelConfig& config) {
  json.ignore({"sliding_window", "max_window_layers"});
  const bool used = json.boolean_or("use_sliding_window", config.family != "qwen2");
  const bool implied = config.family == "mistral" && !json.contains("sliding_window");
  if (used && (implied || json.has("sliding_window"))) {
    const int64_t window = implied ? 4096 : json.size("sliding_window");  // Mistral 0.1's
    if (window < config.max_position_embeddings) {
      json.refuse("sliding_window", concat("none, or at least max_position_embeddings ",
                                           config.max_position_embeddings,
                                           " (lower that to use the model within its window)"));
    }
  }
  for (const auto& type : json.value("layer_types")) {
    if (type != "full_attention") json.refuse("layer_types", "only \"full_attention\"");
  }
}

void read_sizes(ModelConfig& config, JsonObject& json) {
  config.vocab_size = json.size("vocab_size");
  config.hidden_size = json.size("hidden_size");
  config.intermediate_size = json.size("intermediate_size");
  config.num_layers = json.size("num_hidden_layers");
  config.num_heads = json.size("num_attention_heads");
  // Only plain LLaMA means "as many as heads" when it says nothing.
  config.num_kv_heads = config.family == "llama"
                            ? json.size_or("num_key_value_heads", config.num_heads)
                            : json.size("num_key_value_heads");
  config.max_position_embeddings = json.size("max_position_embeddings");
  if (json.has("head_dim")) {
    config.head_dim = json.size("head_dim");
    return;
  }
  if (config.hidden_size % config.num_heads != 0) {
    json.refuse("num_attention_heads", concat("a divisor of hidden_size ", config.hidden_size));
  }
  config.head_dim = config.hidden_size / config.num_heads;
}

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  config.family = json.string("model_type");
  read_sizes(config, json);
  config.norm = NormKind::kRmsNorm;
  config.norm_eps = json.number_or("rms_norm_eps", 1e-6);
  const std::string activation = json.string_or("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") json.refuse("hidden_act", "\"silu\"");
  config.activation = Activation::kSilu;
  config.gated_mlp = true;
  config.position = PositionKind::kRope;
  config.rope = read_rope(json);
  if (config.family == "llama") {
    config.qkv_bias = config.attention_out_bias = json.boolean_or("attention_bias", false);
    config.mlp_bias = json.boolean_or("mlp_bias", false);
  } else {
    config.qkv_bias = config.family == "qwen2";
  }
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", false);
  config.attention_scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim));
  read_sliding_window(json, config);
  json.expect("use_mrope", false);
  if (config.family != "qwen2") {
    config.bos_token_id = 1;
    config.eos_token_ids = {2};
  }

  // Dropout, initialisation, how training split its matrices, and notes of exporters.
  json.ignore({"attention_dropout", "initializer_range", "pretraining_tp", "max_sequence_length",
               "is_llama_config", "transformers.js_config", "unsloth_fixed", "unsloth_version"});
  return config;
}

std::vector<Source> sources(const ModelConfig& config, const TensorSpec& spec) {
  const CanonicalName name = parse_canonical_name(spec.name);
  const std::string kind = concat('.', name.kind);
  const std::string layer = concat("layers.", name.layer, '.');
  const auto rows = [&](const std::string& module, int64_t count) {
    return Source{layer + module + kind, with_rows(spec, count)};
  };
  if (name.module == "token_embedding") return {{"embed_tokens.weight", spec.shape}};
  if (name.module == "attn_norm") return {{layer + "input_layernorm" + kind, spec.shape}};
  if (name.module == "qkv") {
    const int64_t kv_rows = config.num_kv_heads * config.head_dim;
    return {rows("self_attn.q_proj", config.attention_size()), rows("self_attn.k_proj", kv_rows),
            rows("self_attn.v_proj", kv_rows)};
  }
  if (name.module == "attn_out") return {{layer + "self_attn.o_proj" + kind, spec.shape}};
  if (name.module == "mlp_norm") return {{layer + "post_attention_layernorm" + kind, spec.shape}};
  if (name.module == "mlp_up") {
    return {rows("mlp.gate_proj", config.intermediate_size),
            rows("mlp.up_proj", config.intermediate_size)};
  }
  if (name.module == "mlp_down") return {{layer + "mlp.down_proj" + kind, spec.shape}};
  if (name.module == "final_norm") return {{"norm" + kind, spec.shape}};
  if (name.module == "lm_head") return {{"lm_head.weight", spec.shape}};
  throw Error(concat("llama: no name for tensor ", spec.name));
}

NameMap name_map(const ModelConfig& config) {
  NameMap names;
  names.sources = [config](const TensorSpec& spec) { return sources(config, spec); };
  names.optional_prefix = "model.";
  names.is_ignorable = [tied = config.tie_word_embeddings](std::string_view name) {
    // RoPE's frequencies follow from the configuration; old versions stored them.
    return name == "rotary_emb.inv_freq" ||
           matches_numbered(name, "layers.#.self_attn.rotary_emb.inv_freq") ||
           (tied && name == "lm_head.weight");  // the tie replaces it
  };
  return names;
}

}  // namespace

const Family kLlamaFamily = {"llama", kModelTypes, read_config, name_map};

}  // namespace eet
