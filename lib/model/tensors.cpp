#include "lib/model/tensors.h"

#include <functional>
#include <numeric>

#include "lib/core/error.h"

namespace eet {
namespace {

const char* module_name(TensorId id) {
  switch (id) {
    case TensorId::kTokenEmbedding:
      return "token_embedding";
    case TensorId::kPositionEmbedding:
      return "position_embedding";
    case TensorId::kEmbeddingNorm:
      return "embedding_norm";
    case TensorId::kEmbeddingProjection:
      return "embedding_projection";
    case TensorId::kFinalNorm:
      return "final_norm";
    case TensorId::kOutputProjection:
      return "output_projection";
    case TensorId::kLmHead:
      return "lm_head";
    case TensorId::kAttnNorm:
      return "attn_norm";
    case TensorId::kQkv:
      return "qkv";
    case TensorId::kQNorm:
      return "q_norm";
    case TensorId::kKNorm:
      return "k_norm";
    case TensorId::kSinks:
      return "sinks";
    case TensorId::kAttnOut:
      return "attn_out";
    case TensorId::kAttnPostNorm:
      return "attn_post_norm";
    case TensorId::kMlpNorm:
      return "mlp_norm";
    case TensorId::kMlpUp:
      return "mlp_up";
    case TensorId::kMlpDown:
      return "mlp_down";
    case TensorId::kRouter:
      return "router";
    case TensorId::kExpertsUp:
      return "experts_up";
    case TensorId::kExpertsDown:
      return "experts_down";
    case TensorId::kSharedUp:
      return "shared_up";
    case TensorId::kSharedDown:
      return "shared_down";
    case TensorId::kSharedGate:
      return "shared_gate";
    case TensorId::kMlpPostNorm:
      return "mlp_post_norm";
  }
  throw Error("internal error: a tensor has no name");
}

}  // namespace

std::string tensor_name(const TensorKey& key) {
  const std::string layer = key.layer >= 0 ? concat("layers.", key.layer, '.') : "";
  return layer + module_name(key.id) + (key.part == TensorPart::kBias ? ".bias" : ".weight");
}

int64_t TensorSpec::numel() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::vector<TensorSpec> tensor_specs(const ModelConfig& config) {
  std::vector<TensorSpec> specs;
  Weights unplaced;
  visit_tensors(config, unplaced,
                [&](const TensorSpec& spec, const auto& /*slot*/) { specs.push_back(spec); });
  return specs;
}

int64_t parameter_count(const ModelConfig& config) {
  int64_t count = 0;
  for (const TensorSpec& spec : tensor_specs(config)) count += spec.numel();
  return count;
}

bool is_of_experts(const TensorSpec& spec) {
  return spec.key.id == TensorId::kExpertsUp || spec.key.id == TensorId::kExpertsDown;
}

int64_t active_elements(const ModelConfig& config, const TensorSpec& spec) {
  if (!is_of_experts(spec)) return spec.numel();
  return spec.numel() / spec.shape[0] * config.layer(spec.key.layer).experts.top_k;
}

int64_t active_parameter_count(const ModelConfig& config) {
  int64_t count = 0;
  for (const TensorSpec& spec : tensor_specs(config)) count += active_elements(config, spec);
  return count;
}

}  // namespace eet
