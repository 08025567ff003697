// What a decoder-only transformer is, as features. The runtime never asks for a family's name.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/contract/expert_routing.h"
#include "lib/core/dtype.h"

namespace eet {

enum class NormKind { kRmsNorm, kLayerNorm, kNone };  // kNone: values pass unchanged
enum class Activation { kSilu, kGeluTanh, kGeluErf, kRelu, kReluSquared };

// A norm's arithmetic: x normalised, times (weight_offset + weight), plus bias. Without a weight
// the factor is 1.
struct NormConfig {
  NormKind kind = NormKind::kRmsNorm;
  double eps = 1e-5;
  bool weight = true;
  bool bias = false;
  double weight_offset = 0;  // Gemma: 1
  bool operator==(const NormConfig&) const = default;
};

// Rotary embedding of the first rotary_dim elements of each head (Su et al. 2021). Scaling as in
// transformers' modeling_rope_utils.
struct RopeConfig {
  // linear    divides positions by factor
  // llama3    divides low frequencies by factor and blends in between
  // yarn      blends interpolated and plain frequencies between beta_fast and beta_slow (Peng et
  //           al. 2023)
  // longrope  divides each frequency by a factor of its own, from one list up to the original
  //           context and from another beyond it (Ding et al. 2024)
  enum class Scaling { kNone, kLinear, kLlama3, kYarn, kLongrope };
  int64_t rotary_dim = 0;    // even; 0: no rotation
  bool interleaved = false;  // element 2i turns with 2i+1; else i with i + rotary_dim/2
  double theta = 10000.0;
  Scaling scaling = Scaling::kNone;
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  bool truncate = true;           // yarn's range of dimensions is rounded to whole ones
  double attention_factor = 1.0;  // multiplies cosines and sines
  int64_t original_max_position_embeddings = 8192;
  std::vector<double> short_factors;  // longrope: [rotary_dim / 2]
  std::vector<double> long_factors;   // likewise
  bool operator==(const RopeConfig&) const = default;
};

// Which elements of q and k are normalised together, before rotation, and by which weights:
//   head        each head alone, all by the same weights [head_dim]
//   each-head   each head alone, by weights of its own [heads, head_dim]
//   projection  the whole projection at once [heads * head_dim]
enum class QkNormKind { kNone, kHead, kEachHead, kProjection };

struct AttentionConfig {
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  // Multiplies q·k. Checkpoint readers always set it: 1/sqrt(head_dim) when the model says nothing.
  double scale = 0;
  int64_t window = 0;      // keys that a query sees, its own included; 0: all before it
  double softcap = 0;      // scores become softcap * tanh(score / softcap); 0: none
  double alibi_scale = 0;  // of ALiBi's slopes (Press et al. 2022); 0: no ALiBi
  bool sinks = false;      // a learned logit per head joins each softmax (gpt-oss)
  RopeConfig rope = {};
  QkNormKind qk_norm = QkNormKind::kNone;
  NormConfig qk_norm_config = {};  // of qk_norm
  bool qkv_bias = false;
  bool out_bias = false;

  int64_t q_size() const { return num_heads * head_dim; }
  int64_t kv_size() const { return num_kv_heads * head_dim; }
  int64_t qkv_size() const { return q_size() + 2 * kv_size(); }
  bool operator==(const AttentionConfig&) const = default;
};

struct MlpConfig {
  int64_t intermediate_size = 0;
  Activation activation = Activation::kSilu;
  bool gated = true;  // down(act(gate(x)) * up(x)) instead of down(act(up(x)))
  bool bias = false;
  // gpt-oss: down((u + 1) * g * sigmoid(1.702 * g)), g = min(gate(x), limit), u = up(x) clamped to
  // [-limit, limit], instead of the activation. 0: not so.
  double swiglu_limit = 0;

  int64_t up_size() const { return intermediate_size * (gated ? 2 : 1); }
  bool operator==(const MlpConfig&) const = default;
};

// A mixture of experts in the place of one MLP (Shazeer et al. 2017): the router, a linear layer,
// gives each expert a logit, and what the layer adds is the weighted sum of the outputs of a
// token's top_k experts.
struct ExpertsConfig {
  int64_t count = 0;  // 0: the layer's MLP is dense
  int64_t top_k = 0;  // experts of a token
  RouterScores scores = RouterScores::kSoftmax;
  bool normalise = false;  // the weights of a token are divided by their sum
  double scaling = 1.0;    // multiplies the weights at last
  bool router_bias = false;
  // An MLP like the experts but of another size, without biases, that every token has besides.
  int64_t shared_intermediate_size = 0;  // 0: none
  bool shared_gate = false;              // its output counts sigmoid(gate(x)) times

  bool operator==(const ExpertsConfig&) const = default;
};

// Where a layer's norms are, for each of its two blocks f (attention, MLP) on the stream x:
//   before    x + f(norm(x))
//   after     x + norm(f(x))            OLMo 2
//   around    x + norm(f(norm(x)))      Gemma 2
//   residual  norm(x + f(x))            the original transformer
enum class NormPlacement { kBefore, kAfter, kAround, kResidual };

// What a layer's MLP reads: the stream after attention was added, or, in parallel with attention,
// the stream before, by a norm of its own or by attention's.
enum class Residual { kSequential, kParallel, kParallelOneNorm };

struct LayerConfig {
  AttentionConfig attention;
  MlpConfig mlp;  // where there are experts, each of them
  ExpertsConfig experts;
  NormPlacement norms = NormPlacement::kBefore;
  Residual residual = Residual::kSequential;
  double residual_multiplier = 1.0;  // of what a block adds to the stream

  bool has_experts() const { return experts.count > 0; }
  // The MLP that every token of a layer with experts has besides.
  MlpConfig shared_expert() const {
    MlpConfig shared = mlp;
    shared.intermediate_size = experts.shared_intermediate_size;
    shared.bias = false;
    return shared;
  }
  // The one dense MLP of a layer: its own, or the shared expert; of size 0 where it has neither.
  MlpConfig dense_mlp() const { return has_experts() ? shared_expert() : mlp; }
  // Norms of a block's input, and of its output.
  bool norms_input() const {
    return norms == NormPlacement::kBefore || norms == NormPlacement::kAround;
  }
  bool norms_output() const {
    return norms == NormPlacement::kAfter || norms == NormPlacement::kAround;
  }
  bool operator==(const LayerConfig&) const = default;
};

struct ModelConfig {
  std::string family;  // for messages and `inspect` only
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t embedding_size = 0;  // of the token table and the LM head; projected to hidden_size and
                               // back where it is another
  int64_t max_position_embeddings = 0;
  bool learned_positions = false;  // a table of max_position_embeddings rows is added

  NormConfig norm;  // of the layers and the last one
  bool embedding_norm = false;
  bool final_norm = true;
  double embedding_multiplier = 1.0;
  double logit_multiplier = 1.0;
  double logit_softcap = 0;  // as AttentionConfig::softcap
  bool tie_word_embeddings = false;
  bool lm_head_bias = false;

  // Layer i is of kind layer_kinds[layers[i]]; all have the same heads.
  std::vector<LayerConfig> layer_kinds;
  std::vector<int64_t> layers;

  std::optional<int32_t> bos_token_id;
  std::vector<int32_t> eos_token_ids;  // any of them ends a row; each below vocab_size
  DType dtype = DType::kF32;           // of the checkpoint

  int64_t num_layers() const { return static_cast<int64_t>(layers.size()); }
  const LayerConfig& layer(int64_t i) const { return layer_kinds[layers[i]]; }
  // The heads of every layer.
  const AttentionConfig& attention() const { return layer_kinds.front().attention; }
  // The rotation with two lists of factors, where the layers turn by one; else null.
  const RopeConfig* longrope() const;
  // The largest of a size over the layers.
  template <typename SizeOfLayer>
  int64_t largest(SizeOfLayer size) const {
    int64_t result = 0;
    for (const LayerConfig& kind : layer_kinds) result = std::max<int64_t>(result, size(kind));
    return result;
  }
  // Keys and values of all layers for one token.
  int64_t kv_bytes_per_token(DType type) const {
    return 2 * num_layers() * attention().kv_size() * static_cast<int64_t>(dtype_size(type));
  }

  // Makes all layers, `count` of them, of one kind.
  void set_uniform_layers(const LayerConfig& layer, int64_t count);
};

// The longest context that rows may have, whatever a model says.
inline constexpr int64_t kMaxContext = 131072;

// Throws Error naming the first value that the engine does not support, with its limits: head_dim a
// multiple of 8 in [8, 512], num_heads a multiple of num_kv_heads with a group of at most 128,
// hidden_size at most 16384, max_position_embeddings at most 2^24, at most kMaxExperts experts of
// which a token has at most kMaxTopK, and so on. Messages start with
// `where` the configuration comes from.
void validate(const ModelConfig& config, const std::string& where = "model config");

}  // namespace eet
