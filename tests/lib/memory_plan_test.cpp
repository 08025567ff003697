#include "lib/memory_plan.h"

#include <doctest/doctest.h>

#include <iterator>
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

// The same with experts: in every layer, or in the middle one, with a shared one.
ModelConfig config_with_experts(bool shared) {
  ModelConfig config = config_of(/*gated_mlp=*/true);
  LayerConfig layer = config.layer_kinds.front();
  layer.mlp.intermediate_size = 90;
  layer.mlp.bias = !shared;
  layer.experts = {.count = 6, .top_k = 3, .router_bias = !shared};
  if (shared) {
    layer.experts.shared_intermediate_size = 130;
    layer.experts.shared_gate = true;
    config.layer_kinds.push_back(layer);
    config.layers = {0, 1, 0};
  } else {
    config.set_uniform_layers(layer, 3);
  }
  return config;
}

// Two layers of three with windows, shorter than a row may be.
ModelConfig config_with_windows() {
  ModelConfig config = config_of(/*gated_mlp=*/true);
  config.layer_kinds.push_back(config.layer_kinds.front());
  config.layer_kinds.back().attention.window = 100;
  config.layers = {1, 0, 1};
  return config;
}

int64_t sum_of(const std::vector<MemoryItem>& ledger) {
  return std::accumulate(ledger.begin(), ledger.end(), int64_t{0},
                         [](int64_t sum, const MemoryItem& item) { return sum + item.bytes; });
}

TEST_CASE("the estimate of an engine's memory is what it takes, to the byte") {
  const ModelConfig configs[] = {config_of(false), config_of(true), config_with_experts(false),
                                 config_with_experts(true), config_with_windows()};
  for (size_t kind = 0; kind < std::size(configs); ++kind) {
    for (const int rows : {1, 32}) {
      const ModelConfig& config = configs[kind];
      EngineOptions options;
      options.device = "cpu";
      options.num_threads = 1;
      options.max_num_seqs = rows;
      const OpenDevice device("cpu", 1);
      const EngineShape shape = choose_shape(config, options, device);
      const MemoryEstimate estimate =
          estimate_memory(config, options, shape, device, /*from_checkpoint=*/false);
      const Engine engine(config, {}, options);
      CAPTURE(kind);
      CAPTURE(rows);
      CHECK(sum_of(estimate.ledger) == sum_of(engine.memory()));
    }
  }
}

}  // namespace
}  // namespace eet
