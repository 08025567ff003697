#include "weights_tools/families/config_readers.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "lib/core/error.h"

namespace eet {
namespace {

// transformers' get_mscale.
double yarn_mscale(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

std::vector<double> read_factors(JsonObject& json, const char* key) {
  std::vector<double> factors;
  for (const auto& factor : json.value(key)) {
    if (!factor.is_number() || !std::isfinite(factor.get<double>())) {
      json.refuse(key, "a list of numbers");
    }
    factors.push_back(factor.get<double>());
  }
  return factors;
}

// transformers' _compute_yarn_parameters.
void read_yarn(JsonObject& json, RopeConfig& rope, const ModelConfig& config) {
  rope.scaling = RopeConfig::Scaling::kYarn;
  const auto original = static_cast<double>(rope.original_max_position_embeddings);
  rope.factor =
      json.number_or("factor", static_cast<double>(config.max_position_embeddings) / original);
  rope.beta_fast = json.number_or("beta_fast", 32.0);
  rope.beta_slow = json.number_or("beta_slow", 1.0);
  rope.truncate = json.boolean_or("truncate", true);
  const double mscale = json.number_or("mscale", 0.0);
  const double mscale_all_dim = json.number_or("mscale_all_dim", 0.0);
  const double ratio =
      mscale != 0 && mscale_all_dim != 0
          ? yarn_mscale(rope.factor, mscale) / yarn_mscale(rope.factor, mscale_all_dim)
          : yarn_mscale(rope.factor, 1.0);
  rope.attention_factor = json.number_or("attention_factor", ratio);
}

// transformers' _compute_longrope_parameters.
void read_longrope(JsonObject& json, RopeConfig& rope, const ModelConfig& config) {
  rope.scaling = RopeConfig::Scaling::kLongrope;
  rope.short_factors = read_factors(json, "short_factor");
  rope.long_factors = read_factors(json, "long_factor");
  const auto original = static_cast<double>(rope.original_max_position_embeddings);
  rope.factor =
      json.number_or("factor", static_cast<double>(config.max_position_embeddings) / original);
  const double from_factor =
      rope.factor <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(rope.factor) / std::log(original));
  rope.attention_factor = json.number_or("attention_factor", from_factor);
}

// The part of each head that turns, where `key` says it.
void read_part(RopeConfig& rope, JsonObject& json, const char* key, int64_t head_dim,
               const RopeDefaults& defaults) {
  if (defaults.partial_rotary_factor == 0) {
    json.expect(key, 1.0);
  } else if (json.has(key)) {
    rope.rotary_dim = static_cast<int64_t>(static_cast<double>(head_dim) * json.number(key));
  }
}

// The dictionary's own keys. `original` is the outer original_max_position_embeddings, or 0.
void read_rope_object(RopeConfig& rope, JsonObject json, const ModelConfig& config,
                      int64_t head_dim, const RopeDefaults& defaults, int64_t original) {
  if (json.has("rope_type") && json.has("type")) json.ignore({"type"});
  const char* type_key = json.has("rope_type") ? "rope_type" : "type";
  const std::string type = json.string_or(type_key, "default");
  rope.theta = json.number_or("rope_theta", rope.theta);
  read_part(rope, json, "partial_rotary_factor", head_dim, defaults);
  const int64_t inner =
      json.size_or("original_max_position_embeddings", config.max_position_embeddings);
  rope.original_max_position_embeddings = original > 0 ? original : inner;
  if (type == "linear") {
    rope.scaling = RopeConfig::Scaling::kLinear;
    rope.factor = json.number("factor");
  } else if (type == "dynamic") {
    // NTK-aware scaling begins beyond max_position_embeddings, where no row gets.
    json.ignore({"factor"});
  } else if (type == "llama3") {
    rope.scaling = RopeConfig::Scaling::kLlama3;
    rope.factor = json.number("factor");
    rope.low_freq_factor = json.number("low_freq_factor");
    rope.high_freq_factor = json.number("high_freq_factor");
  } else if (type == "yarn") {
    read_yarn(json, rope, config);
  } else if (type == "longrope" || type == "su") {
    read_longrope(json, rope, config);
  } else if (type != "default") {
    json.refuse(type_key, "default, linear, dynamic, llama3, yarn or longrope");
  }
  // Parameters of the other types, which transformers does not read for this one either.
  json.ignore({"factor", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim",
               "truncate", "low_freq_factor", "high_freq_factor", "short_factor", "long_factor",
               "finetuned"});
  json.refuse_unknown_keys();
}

// The dictionary with rotary parameters: its key, or nothing.
std::optional<std::string> rope_key(JsonObject& json) {
  json.ignore({"rope_parameters", "rope_scaling"});
  // rope_scaling comes first in transformers' convert_rope_params_to_dict.
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (json.has(key) && !json.value(key).empty()) return key;
  }
  return std::nullopt;
}

// What stands beside the dictionary.
RopeConfig read_outer_rope(JsonObject& json, int64_t head_dim, const RopeDefaults& defaults) {
  RopeConfig rope;
  rope.theta = defaults.theta_key == nullptr ? defaults.theta
                                             : json.number_or(defaults.theta_key, defaults.theta);
  const double part = defaults.partial_rotary_factor == 0 ? 1.0 : defaults.partial_rotary_factor;
  rope.rotary_dim = static_cast<int64_t>(static_cast<double>(head_dim) * part);
  read_part(rope, json, defaults.partial_key, head_dim, defaults);
  return rope;
}

}  // namespace

int64_t head_dim_of(const JsonObject& json, const char* heads_key, int64_t hidden_size,
                    int64_t num_heads) {
  if (hidden_size % num_heads != 0) {
    json.refuse(heads_key, concat("a divisor of the hidden size ", hidden_size));
  }
  return hidden_size / num_heads;
}

double default_scale(int64_t head_dim) {
  return 1.0 / std::sqrt(static_cast<double>(head_dim));
}

int64_t read_sizes(JsonObject& json, ModelConfig& config, LayerConfig& layer,
                   const SizeDefaults& defaults, const SizeKeys& keys) {
  AttentionConfig& attention = layer.attention;
  const auto read = [&](const char* key, int64_t otherwise) {
    return otherwise > 0 ? json.size_or(key, otherwise) : json.size(key);
  };
  config.vocab_size = read("vocab_size", defaults.vocab_size);
  config.hidden_size = config.embedding_size = read(keys.hidden_size, defaults.hidden_size);
  config.max_position_embeddings = read(keys.max_positions, defaults.max_positions);
  layer.mlp.intermediate_size = read(keys.intermediate_size, defaults.intermediate_size);
  attention.num_heads = read(keys.num_heads, defaults.num_heads);
  // Absent is the class's default, null as many as heads.
  const int64_t kv_default = json.contains(keys.num_kv_heads) || defaults.num_kv_heads == 0
                                 ? attention.num_heads
                                 : defaults.num_kv_heads;
  attention.num_kv_heads = json.size_or(keys.num_kv_heads, kv_default);
  if (json.has("head_dim")) {
    attention.head_dim = json.size("head_dim");
  } else if (defaults.head_dim > 0 && !json.contains("head_dim")) {
    attention.head_dim = defaults.head_dim;
  } else {
    json.ignore({"head_dim"});
    attention.head_dim = head_dim_of(json, keys.num_heads, config.hidden_size, attention.num_heads);
  }
  attention.scale = default_scale(attention.head_dim);
  const int64_t num_layers = read(keys.num_layers, defaults.num_layers);
  // Here already: layers are made before the configuration is validated.
  constexpr int64_t kMaxLayers = 1024;
  if (num_layers > kMaxLayers) json.refuse(keys.num_layers, concat("at most ", kMaxLayers));
  return num_layers;
}

const char* first_present(const JsonObject& json, const char* key, const char* other) {
  return !json.has(key) && json.has(other) ? other : key;
}

double number_unless_null(JsonObject& json, const char* key, double otherwise) {
  return json.number_or(key, json.contains(key) ? 0.0 : otherwise);
}

int64_t size_unless_null(JsonObject& json, const char* key, int64_t otherwise) {
  return json.size_or(key, json.contains(key) ? 0 : otherwise);
}

int64_t switched_window(JsonObject& json, int64_t otherwise) {
  if (json.boolean_or("use_sliding_window", false)) {
    return size_unless_null(json, "sliding_window", otherwise);
  }
  json.ignore({"sliding_window"});
  return 0;
}

Activation read_activation(JsonObject& json, const char* key, const std::string& otherwise) {
  static constexpr std::array<std::pair<const char*, Activation>, 12> kNames = {
      {{"silu", Activation::kSilu},
       {"swish", Activation::kSilu},
       {"gelu", Activation::kGeluErf},
       {"gelu_python", Activation::kGeluErf},
       {"gelu_new", Activation::kGeluTanh},
       {"gelu_pytorch_tanh", Activation::kGeluTanh},
       {"gelu_python_tanh", Activation::kGeluTanh},
       {"gelu_accurate", Activation::kGeluTanh},
       {"gelu_fast", Activation::kGeluTanh},
       {"relu", Activation::kRelu},
       {"relu2", Activation::kReluSquared},
       {"relu_squared", Activation::kReluSquared}}};
  const std::string name = json.string_or(key, otherwise);
  std::string known;
  for (const auto& [word, activation] : kNames) {
    if (name == word) return activation;
    known += concat(known.empty() ? "" : ", ", word);
  }
  json.refuse(key, "one of " + known);
}

RopeConfig read_rope(JsonObject& json, const ModelConfig& config, int64_t head_dim,
                     const RopeDefaults& defaults) {
  RopeConfig rope = read_outer_rope(json, head_dim, defaults);
  const int64_t original =
      json.size_or("original_max_position_embeddings", defaults.original_max_position_embeddings);
  if (const std::optional<std::string> key = rope_key(json)) {
    read_rope_object(rope, json.object(*key), config, head_dim, defaults, original);
  }
  return rope;
}

RopeConfig read_rope_of(JsonObject& json, const std::string& layer_type, const ModelConfig& config,
                        int64_t head_dim, const RopeDefaults& defaults) {
  json.ignore({"rope_parameters", "rope_scaling"});
  RopeConfig rope = read_outer_rope(json, head_dim, defaults);
  nlohmann::json merged = nlohmann::json::object();
  if (json.has("rope_parameters")) {
    JsonObject dictionary = json.object("rope_parameters");
    dictionary.ignore({"full_attention", "sliding_attention"});
    dictionary.refuse_unknown_keys();
    if (dictionary.has(layer_type)) merged = dictionary.value(layer_type);
  }
  if (layer_type == "full_attention" && json.has("rope_scaling")) {
    merged.update(json.value("rope_scaling"));
  }
  read_rope_object(rope, JsonObject(merged, json.file(), "rope_parameters." + layer_type + "."),
                   config, head_dim, defaults, 0);
  // Where transformers looks for it, dictionaries of several types have none.
  rope.truncate = true;
  return rope;
}

std::vector<bool> read_sliding_layers(JsonObject& json, int64_t num_layers,
                                      const std::function<bool(int64_t)>& otherwise) {
  std::vector<bool> sliding;
  if (!json.has("layer_types")) {
    json.ignore({"layer_types"});
    for (int64_t layer = 0; layer < num_layers; ++layer) sliding.push_back(otherwise(layer));
    return sliding;
  }
  for (const auto& type : json.value("layer_types")) {
    if (type != "full_attention" && type != "sliding_attention") {
      json.refuse("layer_types", "only \"full_attention\" and \"sliding_attention\"");
    }
    sliding.push_back(type == "sliding_attention");
  }
  if (static_cast<int64_t>(sliding.size()) != num_layers) {
    json.refuse("layer_types", concat("one type for each of the ", num_layers, " layers"));
  }
  return sliding;
}

ExpertsConfig read_experts(JsonObject& json, int64_t count, int64_t top_k) {
  const char* const key = first_present(json, "num_local_experts", "num_experts");
  ExpertsConfig experts;
  experts.count = json.size_or(key, count);
  json.expect(first_present(json, "num_experts", "num_local_experts"), experts.count);
  experts.top_k = json.size_or("num_experts_per_tok", top_k);
  return experts;
}

void add_layer(ModelConfig& config, const LayerConfig& layer) {
  const auto found = std::find(config.layer_kinds.begin(), config.layer_kinds.end(), layer);
  config.layers.push_back(found - config.layer_kinds.begin());
  if (found == config.layer_kinds.end()) config.layer_kinds.push_back(layer);
}

void set_layers(ModelConfig& config, const LayerConfig& full, const LayerConfig& windowed,
                const std::vector<bool>& sliding) {
  for (const bool slides : sliding) add_layer(config, slides ? windowed : full);
}

int64_t effective_window(JsonObject& json, int64_t window, const ModelConfig& config,
                         const std::vector<bool>& sliding) {
  if (window == 0 && std::find(sliding.begin(), sliding.end(), true) != sliding.end()) {
    json.refuse("sliding_window", "a window: some layers have sliding_attention");
  }
  return window < config.max_position_embeddings ? window : 0;
}

}  // namespace eet
