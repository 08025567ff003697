// A small model with random weights on the CPU, and requests for it.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "lib/engine.h"
#include "lib/ops/ops.h"

namespace eet::test {

inline ModelConfig small_config() {
  ModelConfig config;
  config.family = "test";
  config.vocab_size = 97;
  config.hidden_size = config.embedding_size = 48;
  config.max_position_embeddings = 600;
  LayerConfig layer;
  layer.attention = {.num_heads = 6, .num_kv_heads = 2, .head_dim = 8, .scale = 0.35};
  layer.attention.rope.rotary_dim = 8;
  layer.mlp.intermediate_size = 80;
  config.set_uniform_layers(layer, 2);
  return config;
}

inline EngineOptions cpu_options() {
  EngineOptions options;
  options.device = "cpu";
  options.num_threads = 2;
  options.seed = 11;
  return options;
}

inline Request make_request(uint64_t row, int prompt_len, int max_tokens) {
  Request request;
  request.row = row;
  for (int i = 0; i < prompt_len; ++i) {
    request.prompt.push_back(static_cast<int32_t>((row * 31 + i * 7 + 1) % 97));
  }
  request.params.max_tokens = max_tokens;
  request.params.ignore_eos = true;
  return request;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Runs all requests and returns what came, in the order it came in.
inline std::vector<TokenOutput> run_engine(Engine& engine, const std::vector<Request>& requests) {
  for (const Request& request : requests) {
    const auto error = engine.check(request);
    if (error) FAIL(error->message);
    engine.add_request(request);
  }
  std::vector<TokenOutput> all;
  while (engine.has_work()) {
    const auto outputs = engine.step();
    all.insert(all.end(), outputs.begin(), outputs.end());
  }
  return all;
}

}  // namespace eet::test
