#include "tests/bench/shapes.h"

#include <cmath>

#include "lib/core/error.h"

namespace eet {
namespace {

ModelConfig gpt2(int64_t hidden, int64_t layers, int64_t heads) {
  ModelConfig config;
  config.family = "gpt2";
  config.vocab_size = 50257;
  config.hidden_size = hidden;
  config.intermediate_size = 4 * hidden;
  config.num_layers = layers;
  config.num_heads = config.num_kv_heads = heads;
  config.head_dim = hidden / heads;
  config.attention_scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim));
  config.max_position_embeddings = 1024;
  config.norm = NormKind::kLayerNorm;
  config.norm_bias = true;
  config.activation = Activation::kGeluTanh;
  config.gated_mlp = false;
  config.position = PositionKind::kLearned;
  config.qkv_bias = config.attention_out_bias = config.mlp_bias = true;
  config.tie_word_embeddings = true;
  config.dtype = DType::kBF16;
  return config;
}

ModelConfig llama(int64_t vocab, int64_t hidden, int64_t intermediate, int64_t layers,
                  int64_t heads, int64_t kv_heads) {
  ModelConfig config;
  config.family = "llama";
  config.vocab_size = vocab;
  config.hidden_size = hidden;
  config.intermediate_size = intermediate;
  config.num_layers = layers;
  config.num_heads = heads;
  config.num_kv_heads = kv_heads;
  config.head_dim = hidden / heads;
  config.attention_scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim));
  config.max_position_embeddings = 8192;
  config.rope.theta = 500000.0;
  config.dtype = DType::kBF16;
  return config;
}

ModelConfig tied(ModelConfig config) {
  config.tie_word_embeddings = true;
  return config;
}

struct Shape {
  const char* name;
  ModelConfig config;
};

std::vector<Shape> shapes() {
  return {{"tales", tied(llama(2048, 256, 704, 4, 4, 2))},
          {"124m", gpt2(768, 12, 12)},
          {"xl", gpt2(1600, 48, 25)},
          {"1b", tied(llama(128256, 2048, 8192, 16, 32, 8))},
          {"8b", llama(128256, 4096, 14336, 32, 32, 8)}};
}

}  // namespace

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const Shape& shape : shapes()) names.emplace_back(shape.name);
  return names;
}

ModelConfig shape_config(const std::string& name) {
  for (const Shape& shape : shapes()) {
    if (shape.name == name) return shape.config;
  }
  throw Error(concat("unknown shape ", name));
}

}  // namespace eet
