#include <doctest/doctest.h>

#include <limits>

#include "lib/model/config.h"
#include "tests/weights_tools/test_files.h"

namespace eet {
namespace {

ModelConfig small_config() {
  ModelConfig config;
  config.vocab_size = 100;
  config.hidden_size = config.embedding_size = 48;
  config.max_position_embeddings = 64;
  LayerConfig layer;
  layer.attention = {.num_heads = 6, .num_kv_heads = 2, .head_dim = 8, .scale = 0.25};
  layer.attention.rope.rotary_dim = 8;
  layer.mlp.intermediate_size = 96;
  config.set_uniform_layers(layer, 2);
  return config;
}

AttentionConfig& attention(ModelConfig& config) {
  return config.layer_kinds.front().attention;
}

// What validate says after one change.
template <typename Change>
std::string message_after(Change change) {
  ModelConfig config = small_config();
  change(config);
  return message_of([&] { validate(config, "here"); });
}

TEST_CASE("validate names the value it refuses and its limits") {
  CHECK(message_after([](auto&) {}) == "no error");
  CHECK(message_after([](auto& c) { attention(c).head_dim = 20; }) ==
        "here: head_dim: expected a multiple of 8 up to 512, got 20");
  CHECK(message_after([](auto& c) { attention(c).head_dim = 520; }).find("head_dim") !=
        std::string::npos);
  CHECK(message_after([](auto& c) { attention(c).num_kv_heads = 4; }) ==
        "here: num_kv_heads: expected a divisor of num_heads 6, got 4");
  CHECK(message_after([](auto& c) { attention(c).num_heads = 258; }) ==
        "here: num_heads / num_kv_heads: expected 1 to 128, got 129");
  CHECK(message_after([](auto& c) { c.hidden_size = 16385; }) ==
        "here: hidden_size: expected 1 to 16384, got 16385");
  CHECK(message_after([](auto& c) { c.max_position_embeddings = 16777217; }) ==
        "here: max_position_embeddings: expected 1 to 16777216, got 16777217");
  CHECK(message_after([](auto& c) { c.layers.clear(); }).find("num_layers") != std::string::npos);
  CHECK(message_after([](auto& c) {
          c.eos_token_ids = {5, 100};
        }) == "here: eos_token_ids: expected an id below vocab_size 100, got 100");
  CHECK(message_after([](auto& c) {
          c.norm.eps = std::numeric_limits<double>::quiet_NaN();
        }).find("norm_eps") != std::string::npos);
  CHECK(message_after([](auto& c) { attention(c).rope.theta = -1; }).find("theta") !=
        std::string::npos);
  CHECK(message_after([](auto& c) {
          RopeConfig& rope = attention(c).rope;
          rope.scaling = RopeConfig::Scaling::kLlama3;
          rope.high_freq_factor = rope.low_freq_factor;
        }).find("high_freq_factor") != std::string::npos);
}

TEST_CASE("tensor_specs lists fused tensors with their shapes and the optional ones") {
  ModelConfig config = small_config();
  attention(config).qkv_bias = true;
  config.tie_word_embeddings = true;
  const std::vector<TensorSpec> specs = tensor_specs(config);
  REQUIRE(specs.size() == 1 + 2 * 7 + 1);
  CHECK(specs[2].name() == "layers.0.qkv.weight");
  CHECK(specs[2].shape == std::vector<int64_t>{80, 48});
  CHECK(specs[3].name() == "layers.0.qkv.bias");
  CHECK(specs[6].name() == "layers.0.mlp_up.weight");
  CHECK(specs[6].shape == std::vector<int64_t>{192, 48});
  CHECK(specs.back().name() == "final_norm.weight");
  config.tie_word_embeddings = false;
  CHECK(tensor_specs(config).back().name() == "lm_head.weight");
}

TEST_CASE("parameter_count of the Llama-3-8B shape is the published number") {
  ModelConfig config;
  config.vocab_size = 128256;
  config.hidden_size = config.embedding_size = 4096;
  config.max_position_embeddings = 8192;
  LayerConfig layer;
  layer.attention = {.num_heads = 32, .num_kv_heads = 8, .head_dim = 128};
  layer.mlp.intermediate_size = 14336;
  config.set_uniform_layers(layer, 32);
  CHECK(parameter_count(config) == 8'030'261'248);
  CHECK(config.kv_bytes_per_token(DType::kBF16) == 131072);
}

}  // namespace
}  // namespace eet
