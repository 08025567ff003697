// The tensors of a model: one walk that loading, drawing, counting and the memory plan share.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/core/tensor_view.h"
#include "lib/model/config.h"
#include "lib/ops/experts.h"
#include "lib/ops/ops.h"

namespace eet {

// Canonical layouts, row-major, linear layers [out, in]; those of a layer from kAttnNorm on.
enum class TensorId {
  kTokenEmbedding,       // [vocab, embedding]
  kPositionEmbedding,    // [positions, hidden]
  kEmbeddingNorm,        // [hidden]
  kEmbeddingProjection,  // [hidden, embedding]
  kFinalNorm,            // [hidden]
  kOutputProjection,     // [embedding, hidden]
  kLmHead,               // [vocab, embedding]
  kAttnNorm,             // [hidden]
  kQkv,                  // [(heads + 2*kv_heads)*head_dim, hidden]: rows of q, of k, of v
  kQNorm,                // [head_dim], or [heads*head_dim]
  kKNorm,                // [head_dim], or [kv_heads*head_dim]
  kSinks,                // [heads]
  kAttnOut,              // [hidden, heads*head_dim]
  kAttnPostNorm,         // [hidden]
  kMlpNorm,              // [hidden]
  kMlpUp,                // [intermediate, hidden], or gated [2*intermediate, hidden]: gate, then up
  kMlpDown,              // [hidden, intermediate]
  kRouter,               // [experts, hidden]
  kExpertsUp,            // [experts, intermediate, hidden], or gated [experts, 2*intermediate, ...]
  kExpertsDown,          // [experts, hidden, intermediate]
  kSharedUp,             // as kMlpUp
  kSharedDown,           // as kMlpDown
  kSharedGate,           // [1, hidden]
  kMlpPostNorm,          // [hidden]
};
enum class TensorPart { kWeight, kBias };

// How a tensor is used, and so how it is placed in memory:
//   factor, addend   vectors in the compute type (norm weights; biases)
//   logits           a vector in fp32
//   table            rows are looked up
//   matrix           of a product
//   experts          matrices of a grouped product, one of each expert
//   head             of the product that gives logits: its rows may be padded
enum class TensorKind { kFactor, kAddend, kLogits, kTable, kMatrix, kExperts, kHead };

struct TensorKey {
  TensorId id = TensorId::kTokenEmbedding;
  TensorPart part = TensorPart::kWeight;
  int64_t layer = -1;  // -1: of no layer
  // clang-tidy 14 takes the defaulted comparison for a literal zero.
  auto operator<=>(const TensorKey&) const = default;  // NOLINT(modernize-use-nullptr)
};

// "layers.3.qkv.weight": for messages and for converted models.
std::string tensor_name(const TensorKey& key);

// A tensor the runtime wants.
struct TensorSpec {
  TensorKey key = {};
  TensorKind kind = TensorKind::kMatrix;
  std::vector<int64_t> shape = {};
  std::string name() const { return tensor_name(key); }
  int64_t numel() const;
};

struct LinearWeights {
  LinearWeight weight;
  TensorView bias;  // [out], empty where the model has none
};

struct ExpertWeights {
  ExpertWeight weight;
  TensorView bias;  // [experts, out], empty where the model has none
};

// In the place of mlp_up and mlp_down, in a layer with experts.
struct ExpertsWeights {
  LinearWeights router;
  ExpertWeights up;
  ExpertWeights down;
  LinearWeights shared_up;  // empty where there is no shared expert
  LinearWeights shared_down;
  LinearWeights shared_gate;  // empty where the shared expert counts in full
};

struct LayerWeights {
  Norm attn_norm;
  LinearWeights qkv;
  QkNorm qk_norm;  // without widths where there is none
  LinearWeights attn_out;
  Norm attn_post_norm;
  Norm mlp_norm;
  LinearWeights mlp_up;  // empty in a layer with experts, as is mlp_down
  LinearWeights mlp_down;
  ExpertsWeights experts;
  Norm mlp_post_norm;
  AttentionShape attention;  // with sinks and ALiBi's slopes, where there are any
  RopeTable rope;            // fp32 [positions, rotary_dim/2, 2] (cos, sin); empty: no rotation
};

struct Weights {
  TensorView token_embedding;
  TensorView position_embedding;       // empty without learned positions
  Norm embedding_norm;                 // kNone where there is none
  LinearWeights embedding_projection;  // empty where embeddings are as wide as the layers
  std::vector<LayerWeights> layers;
  Norm final_norm;
  LinearWeights output_projection;  // as embedding_projection
  LinearWeights lm_head;
};

// All tensors of a checkpoint of `config`, in the order of use.
std::vector<TensorSpec> tensor_specs(const ModelConfig& config);

// Parameters of the model: elements of all tensor_specs.
int64_t parameter_count(const ModelConfig& config);

// Whether each expert has a part of the tensor; and the elements that one token uses, with experts
// those of the ones it chooses.
bool is_of_experts(const TensorSpec& spec);
int64_t active_elements(const ModelConfig& config, const TensorSpec& spec);

// Parameters that one token uses: active_elements of all tensor_specs.
int64_t active_parameter_count(const ModelConfig& config);

// Walks over the tensors of one model in the order of use: visit(spec, slot) for each, where slot
// is the TensorView, the LinearWeight or the ExpertWeight of `weights` that it belongs in. Fills in
// the norms' kinds on its way. The LM head of a model that ties it is not visited: it is the token
// embedding.
//
// A new tensor is a line here, and a line in each family that has it. Tensor parallelism will shard
// qkv, mlp_up and the head by rows, attn_out and mlp_down by columns, and experts like MLPs.
template <typename Visit>
class TensorWalk {
 public:
  TensorWalk(const ModelConfig& config, Visit visit) : config_(config), visit_(visit) {}

  void walk(Weights& weights) {
    const int64_t hidden = config_.hidden_size;
    const int64_t embedding = config_.embedding_size;
    tensor(TensorId::kTokenEmbedding, TensorKind::kTable, {config_.vocab_size, embedding},
           weights.token_embedding);
    if (config_.learned_positions) {
      tensor(TensorId::kPositionEmbedding, TensorKind::kTable,
             {config_.max_position_embeddings, hidden}, weights.position_embedding);
    }
    if (embedding != hidden) {
      linear(TensorId::kEmbeddingProjection, hidden, embedding, false,
             weights.embedding_projection);
    }
    norm(TensorId::kEmbeddingNorm, config_.embedding_norm, config_.norm, hidden,
         weights.embedding_norm);
    weights.layers.resize(config_.layers.size());
    for (layer_ = 0; layer_ < config_.num_layers(); ++layer_) {
      walk_layer(config_.layer(layer_), weights.layers[layer_]);
    }
    layer_ = -1;
    norm(TensorId::kFinalNorm, config_.final_norm, config_.norm, hidden, weights.final_norm);
    if (embedding != hidden) {
      linear(TensorId::kOutputProjection, embedding, hidden, false, weights.output_projection);
    }
    head(weights.lm_head);
  }

 private:
  void walk_layer(const LayerConfig& layer, LayerWeights& weights) {
    const AttentionConfig& attention = layer.attention;
    const int64_t hidden = config_.hidden_size;
    const bool residual_norms = layer.norms == NormPlacement::kResidual;
    norm(TensorId::kAttnNorm, layer.norms_input() || residual_norms, config_.norm, hidden,
         weights.attn_norm);
    linear(TensorId::kQkv, attention.qkv_size(), hidden, attention.qkv_bias, weights.qkv);
    qk_norm(attention, weights.qk_norm);
    if (attention.sinks) {
      tensor(TensorId::kSinks, TensorKind::kLogits, {attention.num_heads}, weights.attention.sinks);
    }
    linear(TensorId::kAttnOut, hidden, attention.q_size(), attention.out_bias, weights.attn_out);
    norm(TensorId::kAttnPostNorm, layer.norms_output(), config_.norm, hidden,
         weights.attn_post_norm);
    const bool own_mlp_norm = layer.residual != Residual::kParallelOneNorm;
    norm(TensorId::kMlpNorm, (layer.norms_input() || residual_norms) && own_mlp_norm, config_.norm,
         hidden, weights.mlp_norm);
    if (layer.has_experts()) {
      walk_experts(layer, weights.experts);
    } else {
      linear(TensorId::kMlpUp, layer.mlp.up_size(), hidden, layer.mlp.bias, weights.mlp_up);
      linear(TensorId::kMlpDown, hidden, layer.mlp.intermediate_size, layer.mlp.bias,
             weights.mlp_down);
    }
    norm(TensorId::kMlpPostNorm, layer.norms_output(), config_.norm, hidden, weights.mlp_post_norm);
  }

  void walk_experts(const LayerConfig& layer, ExpertsWeights& weights) {
    const int64_t hidden = config_.hidden_size;
    const int64_t intermediate = layer.mlp.intermediate_size;
    linear(TensorId::kRouter, layer.experts.count, hidden, layer.experts.router_bias,
           weights.router);
    experts(TensorId::kExpertsUp, layer, layer.mlp.up_size(), hidden, weights.up);
    experts(TensorId::kExpertsDown, layer, hidden, intermediate, weights.down);
    if (layer.experts.shared_intermediate_size == 0) return;
    const MlpConfig shared = layer.shared_expert();
    linear(TensorId::kSharedUp, shared.up_size(), hidden, shared.bias, weights.shared_up);
    linear(TensorId::kSharedDown, hidden, shared.intermediate_size, shared.bias,
           weights.shared_down);
    if (layer.experts.shared_gate) {
      linear(TensorId::kSharedGate, 1, hidden, false, weights.shared_gate);
    }
  }

  void qk_norm(const AttentionConfig& attention, QkNorm& weights) {
    const QkNormKind kind = attention.qk_norm;
    if (kind == QkNormKind::kNone) return;
    const bool whole = kind == QkNormKind::kProjection;
    weights.q_width = whole ? attention.q_size() : attention.head_dim;
    weights.k_width = whole ? attention.kv_size() : attention.head_dim;
    const bool shared = kind == QkNormKind::kHead;
    const NormConfig& config = attention.qk_norm_config;
    norm(TensorId::kQNorm, true, config, shared ? attention.head_dim : attention.q_size(),
         weights.q);
    norm(TensorId::kKNorm, true, config, shared ? attention.head_dim : attention.kv_size(),
         weights.k);
  }

  void norm(TensorId id, bool present, const NormConfig& config, int64_t size, Norm& norm) {
    norm.kind = present ? config.kind : NormKind::kNone;
    if (!present) return;
    norm.eps = static_cast<float>(config.eps);
    norm.weight_offset = static_cast<float>(config.weight_offset);
    if (config.weight) tensor(id, TensorKind::kFactor, {size}, norm.weight);
    if (config.bias) tensor(id, TensorKind::kAddend, {size}, norm.bias, TensorPart::kBias);
  }

  void linear(TensorId id, int64_t out, int64_t in, bool bias, LinearWeights& linear) {
    tensor(id, TensorKind::kMatrix, {out, in}, linear.weight);
    if (bias) tensor(id, TensorKind::kAddend, {out}, linear.bias, TensorPart::kBias);
  }

  void experts(TensorId id, const LayerConfig& layer, int64_t out, int64_t in,
               ExpertWeights& experts) {
    const int64_t count = layer.experts.count;
    tensor(id, TensorKind::kExperts, {count, out, in}, experts.weight);
    if (layer.mlp.bias) {
      tensor(id, TensorKind::kAddend, {count, out}, experts.bias, TensorPart::kBias);
    }
  }

  void head(LinearWeights& head) {
    if (!config_.tie_word_embeddings) {
      tensor(TensorId::kLmHead, TensorKind::kHead, {config_.vocab_size, config_.embedding_size},
             head.weight);
    }
    if (config_.lm_head_bias) {
      tensor(TensorId::kLmHead, TensorKind::kAddend, {config_.vocab_size}, head.bias,
             TensorPart::kBias);
    }
  }

  template <typename Slot>
  void tensor(TensorId id, TensorKind kind, std::vector<int64_t> shape, Slot& slot,
              TensorPart part = TensorPart::kWeight) {
    visit_(TensorSpec{{id, part, layer_}, kind, std::move(shape)}, slot);
  }

  const ModelConfig& config_;
  Visit visit_;
  int64_t layer_ = -1;
};

template <typename Visit>
void visit_tensors(const ModelConfig& config, Weights& weights, Visit&& visit) {
  TensorWalk<Visit&>(config, visit).walk(weights);
}

}  // namespace eet
