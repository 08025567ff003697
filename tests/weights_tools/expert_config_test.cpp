// Mixtures of experts where goldens do not show it: which layers have experts, defaults, what is
// refused, and the forms in which checkpoints store them.
#include <doctest/doctest.h>

#include <utility>

#include "lib/core/error.h"
#include "lib/model/tensors.h"
#include "tests/weights_tools/test_files.h"

namespace eet {
namespace {

using nlohmann::json;
using Layers = std::vector<int64_t>;

json config_of(const std::string& type, const json& changes = json::object()) {
  json config = {{"model_type", type},       {"vocab_size", 20},
                 {"hidden_size", 32},        {"intermediate_size", 40},
                 {"num_hidden_layers", 4},   {"num_attention_heads", 4},
                 {"num_key_value_heads", 2}, {"max_position_embeddings", 8192}};
  config.update(changes);
  return config;
}

// A number of each layer.
template <typename Number>
Layers of_layers(const json& config, Number number) {
  const ModelConfig model = config_from(config);
  Layers result;
  for (int64_t i = 0; i < model.num_layers(); ++i) result.push_back(number(model.layer(i)));
  return result;
}

Layers experts_of(const json& config) {
  return of_layers(config, [](const LayerConfig& layer) { return layer.experts.count; });
}

Layers windows_of(const json& config) {
  return of_layers(config, [](const LayerConfig& layer) { return layer.attention.window; });
}

TEST_CASE("Qwen's layers have experts where decoder_sparse_step and mlp_only_layers say so") {
  CHECK(experts_of(config_of("qwen3_moe")) == Layers{128, 128, 128, 128});
  CHECK(experts_of(config_of("qwen2_moe", {{"decoder_sparse_step", 2}})) == Layers{0, 60, 0, 60});
  CHECK(experts_of(config_of("qwen3_moe", {{"mlp_only_layers", {1, 3}},
                                           {"num_experts", 6},
                                           {"num_experts_per_tok", 2}})) == Layers{6, 0, 6, 0});
  const ModelConfig config = config_from(config_of("qwen2_moe", {{"mlp_only_layers", {0}}}));
  CHECK(config.layer(0).mlp.intermediate_size == 40);
  CHECK(config.layer(1).mlp.intermediate_size == 1408);
  CHECK(config.layer(1).experts.top_k == 4);
  CHECK(config.layer(1).experts.shared_intermediate_size == 5632);
  CHECK(config.layer(1).experts.shared_gate);
  CHECK_FALSE(config.layer(1).experts.normalise);
  CHECK(contains(config_message(config_of("qwen3_moe", {{"mlp_only_layers", {"a"}}})),
                 "mlp_only_layers: expected a list of layers"));
}

TEST_CASE("windows of models with experts are the implementation's") {
  const json windows = {{"use_sliding_window", true}, {"sliding_window", 9}};
  CHECK(windows_of(config_of("qwen2_moe", windows)) == Layers{9, 0, 9, 0});
  CHECK(windows_of(config_of("qwen3_moe", windows)) == Layers{9, 9, 9, 9});
  CHECK(windows_of(config_of("qwen3_moe", {{"sliding_window", 9}})) == Layers{0, 0, 0, 0});
  for (const char* type : {"qwen2", "qwen3", "qwen2_moe", "qwen3_moe"}) {
    const json unused = {{"use_sliding_window", false}, {"sliding_window", 0}};
    CHECK(windows_of(config_of(type, unused)) == Layers{0, 0, 0, 0});
  }
  CHECK(windows_of(config_of("mixtral", {{"sliding_window", 9}})) == Layers{9, 9, 9, 9});
  CHECK(windows_of(config_of("mixtral")) == Layers{0, 0, 0, 0});
  CHECK(windows_of(config_of("gpt_oss")) == Layers{128, 0, 128, 0});
}

TEST_CASE("routing is the family's") {
  const ExpertsConfig mixtral = config_from(config_of("mixtral")).layer(0).experts;
  CHECK(mixtral.count == 8);
  CHECK(mixtral.scores == RouterScores::kSoftmax);
  CHECK(mixtral.normalise);
  const ExpertsConfig granite = config_from(config_of("granitemoe")).layer(0).experts;
  CHECK(granite.scores == RouterScores::kTopKSoftmax);
  CHECK(granite.shared_intermediate_size == 0);
  const LayerConfig gpt_oss = config_from(config_of("gpt_oss")).layer(0);
  CHECK(gpt_oss.experts.scores == RouterScores::kTopKSoftmax);
  CHECK(gpt_oss.experts.router_bias);
  CHECK(gpt_oss.attention.sinks);
  CHECK(gpt_oss.mlp.bias);
  CHECK(gpt_oss.mlp.swiglu_limit == 7.0);
  CHECK(gpt_oss.attention.rope.scaling == RopeConfig::Scaling::kYarn);
  CHECK(gpt_oss.attention.rope.theta == 150000.0);
  CHECK_FALSE(gpt_oss.attention.rope.truncate);
}

TEST_CASE("values of experts that are not understood are refused by name") {
  const std::pair<json, const char*> cases[] = {
      {config_of("mixtral", {{"num_experts_per_tok", 9}}), "experts top_k: expected 1 to 8, got 9"},
      {config_of("mixtral", {{"num_local_experts", 0}}), "num_local_experts: expected a positive"},
      {config_of("qwen3_moe", {{"num_experts", 1000}}), "experts: expected 0 to 512, got 1000"},
      {config_of("mixtral", {{"num_local_experts", 4}, {"num_experts", 8}}),
       "num_experts: expected 4, got 8"},
      {config_of("gpt_oss", {{"swiglu_limit", 5.0}}), "swiglu_limit: expected 7.0, got 5.0"},
      {config_of("gpt_oss", {{"hidden_act", "gelu"}}), "hidden_act: expected \"silu\""},
      {config_of("olmoe", {{"clip_qkv", 8.0}}), "clip_qkv: expected null, got 8.0"},
      {config_of("gpt_oss", {{"quantization_config", {{"quant_method", "fp8"}}}}),
       "quantization_config: expected none or MXFP4"}};
  for (const auto& [config, expected] : cases) {
    const std::string message = config_message(config);
    const std::string part = expected;
    CAPTURE(message);
    CAPTURE(part);
    CHECK(contains(message, part));
  }
}

// One layer of Mixtral with 2 experts of 3 elements, and what of its experts is stored how.
Checkpoint open_mixtral(const TempDirectory& directory, const std::vector<NamedShape>& experts) {
  const json config = config_of("mixtral", {{"num_hidden_layers", 1},
                                            {"hidden_size", 16},
                                            {"intermediate_size", 3},
                                            {"num_attention_heads", 2},
                                            {"num_key_value_heads", 1},
                                            {"num_local_experts", 2}});
  std::vector<NamedShape> tensors = experts;
  const std::string layer = "model.layers.0.";
  for (const auto& [name, shape] :
       std::vector<NamedShape>{{"model.embed_tokens", {20, 16}},
                               {layer + "input_layernorm", {16}},
                               {layer + "self_attn.q_proj", {16, 16}},
                               {layer + "self_attn.k_proj", {8, 16}},
                               {layer + "self_attn.v_proj", {8, 16}},
                               {layer + "self_attn.o_proj", {16, 16}},
                               {layer + "post_attention_layernorm", {16}},
                               {"model.norm", {16}},
                               {"lm_head", {20, 16}}}) {
    tensors.push_back({name + ".weight", shape});
  }
  write_model(directory.path(), config, tensors);
  return open_checkpoint(directory.path());
}

// The first element of rows of a tensor.
std::vector<float> column(const Checkpoint& checkpoint, TensorId id, std::vector<int64_t> shape) {
  const int64_t width = shape.back();
  const std::string bytes = tensor_bytes(checkpoint, spec_of(id, std::move(shape), 0));
  const auto* values = reinterpret_cast<const float*>(bytes.data());
  std::vector<float> first;
  for (size_t i = 0; i < bytes.size() / sizeof(float); i += static_cast<size_t>(width)) {
    first.push_back(values[i]);
  }
  return first;
}

// Elements of test files count up through the file in the order of the list.
TEST_CASE("experts are read from tensors of their own and stacked, under both names") {
  for (const std::string block : {"model.layers.0.block_sparse_moe.", "model.layers.0.mlp."}) {
    CAPTURE(block);
    const TempDirectory apart;
    const Checkpoint each = open_mixtral(apart, {{block + "gate.weight", {2, 16}},
                                                 {block + "experts.0.w1.weight", {3, 16}},
                                                 {block + "experts.0.w2.weight", {16, 3}},
                                                 {block + "experts.0.w3.weight", {3, 16}},
                                                 {block + "experts.1.w1.weight", {3, 16}},
                                                 {block + "experts.1.w2.weight", {16, 3}},
                                                 {block + "experts.1.w3.weight", {3, 16}}});
    CHECK(column(each, TensorId::kExpertsUp, {2, 6, 16}) ==
          std::vector<float>{32, 48, 64, 128, 144, 160, 176, 192, 208, 272, 288, 304});
    const TempDirectory together;
    const Checkpoint stacked = open_mixtral(together, {{block + "gate.weight", {2, 16}},
                                                       {block + "experts.gate_up_proj", {2, 6, 16}},
                                                       {block + "experts.down_proj", {2, 16, 3}}});
    CHECK(column(stacked, TensorId::kExpertsUp, {2, 6, 16}) ==
          std::vector<float>{32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208});
    CHECK(column(stacked, TensorId::kExpertsDown, {2, 16, 3}).at(16) == 272);
  }
}

TEST_CASE("an expert that is missing or of another shape is refused by its name") {
  const std::string block = "model.layers.0.mlp.";
  const auto message = [&](const std::vector<NamedShape>& experts) {
    const TempDirectory directory;
    return message_of([&] { open_mixtral(directory, experts); });
  };
  CHECK(contains(message({{block + "gate.weight", {2, 16}},
                          {block + "experts.0.w1.weight", {3, 16}},
                          {block + "experts.0.w3.weight", {3, 16}}}),
                 "tensor layers.0.mlp.experts.1.w1.weight is missing: expected [3, 16]"));
  CHECK(contains(
      message({{block + "gate.weight", {2, 16}}, {block + "experts.gate_up_proj", {2, 16, 6}}}),
      "experts.gate_up_proj: expected shape [2, 6, 16], got [2, 16, 6]"));
}

}  // namespace
}  // namespace eet
