#include "lib/memory_plan.h"

#include <doctest/doctest.h>

#include <numeric>

#include "lib/engine.h"

namespace eet {
namespace {

// The shape of a small model of each family's kind.
ModelConfig config_of(bool gated_mlp) {
  ModelConfig config;
  config.family = "test";
  config.vocab_size = 2000;
  config.hidden_size = config.embedding_size = 256;
  config.max_position_embeddings = 512;
  LayerConfig layer;
  layer.attention = {
      .num_heads = 8, .num_kv_heads = gated_mlp ? 2 : 8, .head_dim = 32, .scale = 0.2};
  layer.mlp = {.intermediate_size = 700, .gated = gated_mlp};
  config.set_uniform_layers(layer, 3);
  return config;
}

int64_t sum_of(const std::vector<MemoryItem>& ledger) {
  return std::accumulate(ledger.begin(), ledger.end(), int64_t{0},
                         [](int64_t sum, const MemoryItem& item) { return sum + item.bytes; });
}

TEST_CASE("the estimate of an engine's memory is what it takes, to the byte") {
  for (const bool gated_mlp : {false, true}) {
    for (const int rows : {1, 32}) {
      const ModelConfig config = config_of(gated_mlp);
      EngineOptions options;
      options.device = "cpu";
      options.num_threads = 1;
      options.max_num_seqs = rows;
      const OpenDevice device("cpu", 1);
      const EngineShape shape = choose_shape(config, options, device);
      const MemoryEstimate estimate =
          estimate_memory(config, options, shape, device, /*from_checkpoint=*/false);
      const Engine engine(config, {}, options);
      CAPTURE(gated_mlp);
      CAPTURE(rows);
      CHECK(sum_of(estimate.ledger) == sum_of(engine.memory()));
    }
  }
}

}  // namespace
}  // namespace eet
