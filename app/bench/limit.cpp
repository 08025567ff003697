#include "app/bench/limit.h"

#include <algorithm>
#include <iomanip>
#include <numeric>
#include <sstream>

namespace eet {
namespace {

double prefill_flops(const ModelCosts& costs, const Work& work) {
  return 2.0 * costs.block_parameters * static_cast<double>(work.prefill_tokens) +
         costs.attention_flops_per_key * static_cast<double>(work.prefill_context_tokens);
}

}  // namespace

ModelCosts model_costs(const ModelConfig& config, DType dtype) {
  const auto element_bytes = static_cast<double>(dtype_size(dtype));
  const int64_t table = config.vocab_size * config.hidden_size;
  const int64_t position_table = config.position == PositionKind::kLearned
                                     ? config.max_position_embeddings * config.hidden_size
                                     : 0;
  // A tied head is the token table read as a matrix; an untied model has both.
  const int64_t tables = position_table + (config.tie_word_embeddings ? 0 : table);
  const int64_t up_matrices = config.gated_mlp ? 2 : 1;
  const int64_t block_parameters =
      config.num_layers * config.hidden_size *
      (config.qkv_size() + config.attention_size() + (up_matrices + 1) * config.intermediate_size);
  const int64_t read = parameter_count(config) - tables;
  return {.weight_bytes = element_bytes * static_cast<double>(read),
          .block_weight_bytes = element_bytes * static_cast<double>(read - table),
          .parameters = static_cast<double>(block_parameters + table),
          .block_parameters = static_cast<double>(block_parameters),
          .kv_bytes_per_token = static_cast<double>(config.kv_bytes_per_token(dtype)),
          .attention_flops_per_key =
              4.0 * static_cast<double>(config.attention_size() * config.num_layers)};
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
            .decode_context_tokens = after.decode_context_tokens - before.decode_context_tokens,
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
         << " cached tokens x " << costs.kv_bytes_per_token << " bytes at BW\n";
  }
  text << "  limit   " << limit.seconds() * 1e3 << " ms\n";
  return text.str();
}

}  // namespace eet
