// What the families' config readers share: sizes, activations, RoPE, windows.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/model/config.h"
#include "weights_tools/json_object.h"

namespace eet {

// The keys that most families of the LLaMA kind share, and what they mean where they are absent:
// the defaults of transformers' configuration class.
struct SizeKeys {
  const char* hidden_size = "hidden_size";
  const char* intermediate_size = "intermediate_size";
  const char* num_layers = "num_hidden_layers";
  const char* num_heads = "num_attention_heads";
  const char* num_kv_heads = "num_key_value_heads";
  const char* max_positions = "max_position_embeddings";
};
struct SizeDefaults {
  int64_t max_positions = 0;  // 0: the key is required; likewise those behind head_dim
  int64_t num_kv_heads = 0;   // 0: as many as heads
  int64_t head_dim = 0;       // 0: hidden_size / num_heads
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
};

// Reads vocab_size and the sizes into `config` and `layer`. Returns the number of layers.
int64_t read_sizes(JsonObject& json, ModelConfig& config, LayerConfig& layer,
                   const SizeDefaults& defaults, const SizeKeys& keys = {});

// hidden_size / num_heads, refused by the key of the heads where that is no whole number.
int64_t head_dim_of(const JsonObject& json, const char* heads_key, int64_t hidden_size,
                    int64_t num_heads);

// 1 / sqrt(head_dim).
double default_scale(int64_t head_dim);

// The first of two keys that has a value: some families have two names for a size. Where neither
// has one, it is the first that is asked for.
const char* first_present(const JsonObject& json, const char* key, const char* other);

// A number or a size that has a default, which null turns off: 0.
double number_unless_null(JsonObject& json, const char* key, double otherwise);
int64_t size_unless_null(JsonObject& json, const char* key, int64_t otherwise);

// sliding_window, by default `otherwise`; 0 where use_sliding_window does not turn it on, whatever
// its value then is: transformers writes null or 0 there.
int64_t switched_window(JsonObject& json, int64_t otherwise);

// An activation by transformers' name for it (ACT2FN), where the key is absent `otherwise`.
Activation read_activation(JsonObject& json, const char* key, const std::string& otherwise);

// Where a configuration's rotary parameters are beside the dictionary, and what they mean where it
// says nothing.
struct RopeDefaults {
  double theta = 10000.0;
  // Of each head's elements, the part that turns. 0: all, and the implementation knows no other.
  double partial_rotary_factor = 0;
  const char* theta_key = "rope_theta";  // null: theta is in the dictionary only
  const char* partial_key = "partial_rotary_factor";
  int64_t original_max_position_embeddings = 0;  // 0: that of the dictionary
};

// transformers' standardize_rope_params: the dictionary `rope_parameters` (transformers 5) or
// `rope_scaling` (4), with rope_theta and partial_rotary_factor in it or beside it. One rotation
// for all layers; refused where the dictionary has one for each type of layer.
RopeConfig read_rope(JsonObject& json, const ModelConfig& config, int64_t head_dim,
                     const RopeDefaults& defaults = {});

// The same where layers of different types turn differently: the rotation of `layer_type`.
RopeConfig read_rope_of(JsonObject& json, const std::string& layer_type, const ModelConfig& config,
                        int64_t head_dim, const RopeDefaults& defaults = {});

// Which layers have a sliding window, from `layer_types`, or where that is absent from `otherwise`,
// asked for each layer. Refuses other types than sliding_attention and full_attention.
std::vector<bool> read_sliding_layers(JsonObject& json, int64_t num_layers,
                                      const std::function<bool(int64_t)>& otherwise);

// How many experts there are (num_local_experts or num_experts) and how many of them a token has
// (num_experts_per_tok), by default `count` and `top_k`.
ExpertsConfig read_experts(JsonObject& json, int64_t count, int64_t top_k);

// Adds one layer, of the kind that equals `layer`, or of a new one.
void add_layer(ModelConfig& config, const LayerConfig& layer);

// Gives `config` one kind of layer for full attention and one for windows: `sliding` tells which
// layer has which. The one that no layer has is left out.
void set_layers(ModelConfig& config, const LayerConfig& full, const LayerConfig& windowed,
                const std::vector<bool>& sliding);

// A window that no position can leave is no window. Refused where some of the layers slide and
// `window`, read from sliding_window, is 0.
int64_t effective_window(JsonObject& json, int64_t window, const ModelConfig& config,
                         const std::vector<bool>& sliding);

}  // namespace eet
