// What a decoder-only transformer is, as features. The runtime never asks for a family's name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/core/dtype.h"

namespace eet {

enum class NormKind { kRmsNorm, kLayerNorm, kNone };  // kNone: values pass unchanged
enum class Activation { kSilu, kGeluTanh, kGeluErf, kRelu, kReluSquared };
enum class PositionKind { kLearned, kRope };

// Rotary embedding with rotate-half pairing: element i of a head turns with element i + head_dim/2.
// Scaling as in transformers' modeling_rope_utils: `linear` divides positions by factor, `llama3`
// divides low frequencies by factor and blends in between.
struct RopeConfig {
  enum class Scaling { kNone, kLinear, kLlama3 };
  double theta = 10000.0;
  Scaling scaling = Scaling::kNone;
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  int64_t original_max_position_embeddings = 8192;
};

struct ModelConfig {
  std::string family;  // for messages and `inspect` only
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;

  NormKind norm = NormKind::kRmsNorm;
  double norm_eps = 1e-5;
  bool norm_bias = false;
  Activation activation = Activation::kSilu;
  bool gated_mlp = true;  // down(act(gate(x)) * up(x)) instead of down(act(up(x)))
  PositionKind position = PositionKind::kRope;
  RopeConfig rope;
  bool qkv_bias = false;
  bool attention_out_bias = false;
  bool mlp_bias = false;
  bool tie_word_embeddings = false;
  // Multiplies q·k. Checkpoint readers always set it: 1/sqrt(head_dim) when the model says nothing.
  double attention_scale = 0.0;

  std::optional<int32_t> bos_token_id;
  std::vector<int32_t> eos_token_ids;  // any of them ends a row; each below vocab_size
  DType dtype = DType::kF32;           // of the checkpoint

  int64_t qkv_size() const { return (num_heads + 2 * num_kv_heads) * head_dim; }
  int64_t attention_size() const { return num_heads * head_dim; }
  // Keys and values of all layers for one token.
  int64_t kv_bytes_per_token(DType type) const {
    return 2 * num_layers * num_kv_heads * head_dim * static_cast<int64_t>(dtype_size(type));
  }
};

// Throws Error naming the first value that the engine does not support, with its limits: head_dim a
// multiple of 8 in [8, 256], num_heads a multiple of num_kv_heads with a group of at most 16,
// hidden_size at most 16384, max_position_embeddings at most 131072, and so on. Messages start with
// `where` the configuration comes from.
void validate(const ModelConfig& config, const std::string& where = "model config");

// A weight the runtime wants: its canonical name and exact shape, row-major, [out, in] for linears.
struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
};

// All weights of a model in canonical layout, in the order of use:
//   token_embedding.weight [vocab, hidden], position_embedding.weight [positions, hidden]
//   (learned), layers.N.attn_norm.{weight,bias} [hidden], layers.N.qkv.weight [(heads +
//   2*kv_heads)*head_dim, hidden] (q rows, k rows, v rows), .bias, layers.N.attn_out.{weight
//   [hidden, heads*head_dim], bias}, layers.N.mlp_norm.{weight,bias}, layers.N.mlp_up.weight
//   [intermediate, hidden], or gated [2*intermediate, hidden]: gate rows, then up rows; .bias,
//   layers.N.mlp_down.{weight [hidden, intermediate], bias},
//   final_norm.{weight,bias}, lm_head.weight [vocab, hidden] (absent when tied).
std::vector<TensorSpec> tensor_specs(const ModelConfig& config);

// Parameters of the model: elements of all tensor_specs.
int64_t parameter_count(const ModelConfig& config);

}  // namespace eet
