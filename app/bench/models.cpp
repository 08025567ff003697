#include "app/bench/models.h"

#include <cmath>
#include <filesystem>
#include <iostream>

#include "app/hub_cache.h"
#include "weights_tools/checkpoint.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

// "llama-3-8b" for llama-3-8b, llama-3-8b/, llama-3-8b/config.json and llama-3-8b.json.
std::string model_name(const fs::path& path) {
  if (!path.has_filename()) return path.parent_path().filename().string();
  if (path.filename() == "config.json" && path.has_parent_path()) {
    return path.parent_path().filename().string();
  }
  return (path.extension() == ".json" ? path.stem() : path.filename()).string();
}

// GPT-2 as published (Radford et al. 2019), in bf16.
BenchModel gpt2_shape(const std::string& name, int64_t hidden, int64_t layers, int64_t heads) {
  ModelConfig config;
  config.family = "gpt2";
  config.vocab_size = 50257;
  config.hidden_size = config.embedding_size = hidden;
  config.max_position_embeddings = 1024;
  config.learned_positions = true;
  config.norm = {.kind = NormKind::kLayerNorm, .bias = true};
  const int64_t head_dim = hidden / heads;
  LayerConfig layer;
  layer.attention = {.num_heads = heads,
                     .num_kv_heads = heads,
                     .head_dim = head_dim,
                     .scale = 1.0 / std::sqrt(static_cast<double>(head_dim)),
                     .qkv_bias = true,
                     .out_bias = true};
  layer.mlp = {.intermediate_size = 4 * hidden,
               .activation = Activation::kGeluTanh,
               .gated = false,
               .bias = true};
  config.set_uniform_layers(layer, layers);
  config.tie_word_embeddings = true;
  config.dtype = DType::kBF16;
  return {.name = name, .config = config};
}

}  // namespace

BenchModel open_bench_model(const std::string& path, const ConfigPolicy& policy) {
  const Checkpoint checkpoint = open_checkpoint(locate_model(path), policy);
  for (const std::string& warning : checkpoint.warnings) {
    std::cerr << "eet: warning: " << warning << '\n';
  }
  return {model_name(path), path, checkpoint.config, checkpoint.loader};
}

BenchModel open_bench_shape(const std::string& path, const ConfigPolicy& policy) {
  return {.name = model_name(path),
          .path = path,
          .config = read_model_config(locate_model(path), policy)};
}

std::vector<BenchModel> paper_shapes() {
  return {gpt2_shape("gpt2-350m", 1024, 24, 16), gpt2_shape("gpt2-124m", 768, 12, 12),
          gpt2_shape("gpt2-xl", 1600, 48, 25)};
}

}  // namespace eet
