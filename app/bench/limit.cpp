#include "app/bench/limit.h"

#include <algorithm>
#include <iomanip>
#include <numeric>
#include <sstream>

#include "lib/model/tensors.h"

namespace eet {
namespace {

double prefill_flops(const ModelCosts& costs, const Work& work) {
  return 2.0 * costs.block_parameters * static_cast<double>(work.prefill_tokens) +
         costs.attention_flops_per_key * static_cast<double>(work.prefill_context_tokens);
}

}  // namespace

ModelCosts model_costs(const ModelConfig& config, DType dtype) {
  const auto element_bytes = static_cast<double>(dtype_size(dtype));
  int64_t tables = 0;
  int64_t head = 0;
  int64_t matrices = 0;  // of the layers, and projections of embeddings
  int64_t all = 0;
  for (const TensorSpec& spec : tensor_specs(config)) {
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
          .parameters = static_cast<double>(matrices + head),
          .block_parameters = static_cast<double>(matrices),
          .kv_bytes_per_token = static_cast<double>(config.kv_bytes_per_token(dtype)),
          .attention_flops_per_key = 4.0 * static_cast<double>(q_size * config.num_layers())};
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
      std::max(static_cast<double>(work.prefill_passes) * costs.block_weight_bytes / bandwidth,
               prefill_flops(costs, work) / rate);
  for (size_t rows = 0; rows < work.decode_steps_by_rows.size(); ++rows) {
    limit.decode_seconds += static_cast<double>(work.decode_steps_by_rows[rows]) *
                            std::max(costs.weight_bytes / bandwidth,
                                     2.0 * costs.parameters * static_cast<double>(rows) / rate);
  }
  limit.kv_seconds =
      static_cast<double>(work.decode_context_tokens) * costs.kv_bytes_per_token / bandwidth;
  return limit;
}

bool caches_invalidate(const ModelCosts& costs, const Work& work, const Ceilings& ceilings) {
  if (costs.block_weight_bytes > static_cast<double>(ceilings.cache_bytes)) return false;
  const double prefill_bytes_seconds = static_cast<double>(work.prefill_passes) *
                                       costs.block_weight_bytes / ceilings.bytes_per_second();
  return work.decode_steps() > 0 ||
         prefill_bytes_seconds > prefill_flops(costs, work) / ceilings.flops_per_second;
}

std::string explain_limit(const ModelCosts& costs, const Work& work, const Ceilings& ceilings) {
  const Limit limit = compute_limit(costs, work, ceilings);
  std::ostringstream text;
  text << std::setprecision(4);
  const std::string bandwidth = " GB at BW";
  text << "  BW = " << ceilings.bytes_per_second() * 1e-9
       << " GB/s, F = " << ceilings.flops_per_second * 1e-9 << " GFLOP/s\n";
  if (work.prefill_passes > 0) {
    text << "  prefill " << limit.prefill_seconds * 1e3 << " ms: max of " << work.prefill_passes
         << " passes x " << costs.block_weight_bytes * 1e-9 << bandwidth << ", and "
         << prefill_flops(costs, work) * 1e-9 << " GFLOP at F (" << work.prefill_tokens
         << " tokens x 2 x " << costs.block_parameters * 1e-9 << "e9 parameters, "
         << work.prefill_context_tokens << " keys x " << costs.attention_flops_per_key << ")\n";
  }
  if (const int64_t steps = work.decode_steps()) {
    text << "  decode  " << limit.decode_seconds * 1e3 << " ms: " << steps
         << " steps, each the max of " << costs.weight_bytes * 1e-9 << bandwidth
         << ", and rows x 2 x " << costs.parameters * 1e-9 << "e9 parameters at F; up to "
         << work.most_rows() << " rows\n"
         << "  kv      " << limit.kv_seconds * 1e3 << " ms: " << work.decode_context_tokens
         << " cached tokens (shared ones once a step) x " << costs.kv_bytes_per_token
         << " bytes at BW\n";
  }
  text << "  limit   " << limit.seconds() * 1e3 << " ms\n";
  return text.str();
}

}  // namespace eet
