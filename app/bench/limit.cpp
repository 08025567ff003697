#include "app/bench/limit.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <limits>
#include <numeric>
#include <sstream>

#include "lib/model/tensors.h"

namespace eet {
namespace {

double prefill_flops(const ModelCosts& costs, const Work& work) {
  return 2.0 * costs.block_parameters * static_cast<double>(work.prefill_tokens) +
         costs.attention_flops_per_key * static_cast<double>(work.prefill_context_tokens);
}

// Of the passes that ran, each with the experts that it reads.
double prefill_bytes(const ModelCosts& costs, const Work& work) {
  const auto passes = static_cast<double>(work.prefill_passes);
  if (passes == 0) return 0;
  return passes * (costs.block_weight_bytes +
                   expert_bytes(costs, static_cast<double>(work.prefill_tokens) / passes));
}

std::vector<ExpertCosts> costs_of_experts(const ModelConfig& config, double element_bytes) {
  std::vector<ExpertCosts> experts;
  for (size_t kind = 0; kind < config.layer_kinds.size(); ++kind) {
    const LayerConfig& layer = config.layer_kinds[kind];
    if (!layer.has_experts()) continue;
    const auto layers = std::count(config.layers.begin(), config.layers.end(), kind);
    const int64_t parameters =
        config.hidden_size * (layer.mlp.up_size() + layer.mlp.intermediate_size) +
        (layer.mlp.bias ? layer.mlp.up_size() + config.hidden_size : 0);
    experts.push_back({element_bytes * static_cast<double>(layers * parameters),
                       layer.experts.count, layer.experts.top_k});
  }
  return experts;
}

}  // namespace

ModelCosts model_costs(const ModelConfig& config, DType dtype) {
  const auto element_bytes = static_cast<double>(dtype_size(dtype));
  int64_t tables = 0;
  int64_t head = 0;
  int64_t matrices = 0;  // of the layers, those a token uses, and projections of embeddings
  int64_t all = 0;       // but experts
  for (const TensorSpec& spec : tensor_specs(config)) {
    if (is_of_experts(spec)) {
      if (spec.kind == TensorKind::kExperts) matrices += active_elements(config, spec);
      continue;
    }
    all += spec.numel();
    if (spec.kind == TensorKind::kTable) tables += spec.numel();
    if (spec.kind == TensorKind::kHead) head += spec.numel();
    if (spec.kind == TensorKind::kMatrix) matrices += spec.numel();
  }
  if (config.tie_word_embeddings) {  // the head is the token table read as a matrix
    head = config.vocab_size * config.embedding_size;
    tables -= head;
  }
  const int64_t read = all - tables;
  const int64_t q_size = config.attention().q_size();
  return {.weight_bytes = element_bytes * static_cast<double>(read),
          .block_weight_bytes = element_bytes * static_cast<double>(read - head),
          .experts = costs_of_experts(config, element_bytes),
          .parameters = static_cast<double>(matrices + head),
          .block_parameters = static_cast<double>(matrices),
          .kv_bytes_per_token = static_cast<double>(config.kv_bytes_per_token(dtype)),
          .attention_flops_per_key = 4.0 * static_cast<double>(q_size * config.num_layers())};
}

double expert_bytes(const ModelCosts& costs, double tokens) {
  double bytes = 0;
  for (const ExpertCosts& experts : costs.experts) {
    const auto count = static_cast<double>(experts.count);
    const double untouched = std::pow(1.0 - static_cast<double>(experts.top_k) / count, tokens);
    bytes += experts.weight_bytes * count * (1.0 - untouched);
  }
  return bytes;
}

int64_t Work::decode_steps() const {
  return std::accumulate(decode_steps_by_rows.begin(), decode_steps_by_rows.end(), int64_t{0});
}

int Work::most_rows() const {
  for (size_t rows = decode_steps_by_rows.size(); rows-- > 0;) {
    if (decode_steps_by_rows[rows] > 0) return static_cast<int>(rows);
  }
  return 0;
}

Work work_between(const EngineStats& before, const EngineStats& after) {
  Work work{.prefill_passes = after.prefill_passes - before.prefill_passes,
            .prefill_tokens = after.prefill_tokens - before.prefill_tokens,
            .prefill_context_tokens = after.prefill_context_tokens - before.prefill_context_tokens,
            .decode_context_tokens = (after.decode_context_tokens - after.decode_repeated_tokens) -
                                     (before.decode_context_tokens - before.decode_repeated_tokens),
            .decode_steps_by_rows = after.decode_steps_by_rows};
  for (size_t rows = 0; rows < before.decode_steps_by_rows.size(); ++rows) {
    work.decode_steps_by_rows[rows] -= before.decode_steps_by_rows[rows];
  }
  return work;
}

Limit compute_limit(const ModelCosts& costs, const Work& work, const Ceilings& ceilings) {
  const double bandwidth = ceilings.bytes_per_second();
  const double rate = ceilings.flops_per_second;
  Limit limit;
  limit.prefill_seconds =
      std::max(prefill_bytes(costs, work) / bandwidth, prefill_flops(costs, work) / rate);
  for (size_t i = 0; i < work.decode_steps_by_rows.size(); ++i) {
    const auto rows = static_cast<double>(i);
    limit.decode_seconds += static_cast<double>(work.decode_steps_by_rows[i]) *
                            std::max((costs.weight_bytes + expert_bytes(costs, rows)) / bandwidth,
                                     2.0 * costs.parameters * rows / rate);
  }
  limit.kv_seconds =
      static_cast<double>(work.decode_context_tokens) * costs.kv_bytes_per_token / bandwidth;
  return limit;
}

bool caches_invalidate(const ModelCosts& costs, const Work& work, const Ceilings& ceilings) {
  const double tokens = std::numeric_limits<double>::infinity();  // they choose all experts
  if (costs.block_weight_bytes + expert_bytes(costs, tokens) >
      static_cast<double>(ceilings.cache_bytes)) {
    return false;
  }
  const double prefill_bytes_seconds = prefill_bytes(costs, work) / ceilings.bytes_per_second();
  return work.decode_steps() > 0 ||
         prefill_bytes_seconds > prefill_flops(costs, work) / ceilings.flops_per_second;
}

namespace {

// What a decode step reads besides.
std::string experts_of(const ModelCosts& costs, int rows) {
  if (costs.experts.empty()) return "";
  std::ostringstream text;
  text << std::setprecision(4) << " with " << expert_bytes(costs, rows) * 1e-9
       << " GB of experts at " << rows << " rows";
  return text.str();
}

}  // namespace

std::string explain_limit(const ModelCosts& costs, const Work& work, const Ceilings& ceilings) {
  const Limit limit = compute_limit(costs, work, ceilings);
  std::ostringstream text;
  text << std::setprecision(4);
  const std::string bandwidth = " GB at BW";
  text << "  BW = " << ceilings.bytes_per_second() * 1e-9
       << " GB/s, F = " << ceilings.flops_per_second * 1e-9 << " GFLOP/s\n";
  if (work.prefill_passes > 0) {
    const auto passes = static_cast<double>(work.prefill_passes);
    text << "  prefill " << limit.prefill_seconds * 1e3 << " ms: max of " << work.prefill_passes
         << " passes x " << prefill_bytes(costs, work) / passes * 1e-9 << bandwidth << ", and "
         << prefill_flops(costs, work) * 1e-9 << " GFLOP at F (" << work.prefill_tokens
         << " tokens x 2 x " << costs.block_parameters * 1e-9 << "e9 parameters, "
         << work.prefill_context_tokens << " keys x " << costs.attention_flops_per_key << ")\n";
  }
  if (const int64_t steps = work.decode_steps()) {
    text << "  decode  " << limit.decode_seconds * 1e3 << " ms: " << steps
         << " steps, each the max of " << costs.weight_bytes * 1e-9 << bandwidth
         << experts_of(costs, work.most_rows()) << ", and rows x 2 x " << costs.parameters * 1e-9
         << "e9 parameters at F; up to " << work.most_rows() << " rows\n"
         << "  kv      " << limit.kv_seconds * 1e3 << " ms: " << work.decode_context_tokens
         << " cached tokens (shared ones once a step) x " << costs.kv_bytes_per_token
         << " bytes at BW\n";
  }
  text << "  limit   " << limit.seconds() * 1e3 << " ms\n";
  return text.str();
}

}  // namespace eet
