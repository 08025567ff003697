// What the families beyond LLaMA and GPT-2 understand of config.json, where goldens do not show it:
// defaults, nulls, what is refused, and published sizes.
#include <doctest/doctest.h>

#include <utility>

#include "lib/core/error.h"
#include "lib/model/tensors.h"
#include "tests/weights_tools/test_files.h"

namespace eet {
namespace {

using nlohmann::json;

// A configuration of `type` with the usual names of sizes, and `changes`.
json config_of(const std::string& type, const json& changes = {}) {
  json config = {{"model_type", type},       {"vocab_size", 20},
                 {"hidden_size", 32},        {"intermediate_size", 40},
                 {"num_hidden_layers", 4},   {"num_attention_heads", 4},
                 {"num_key_value_heads", 2}, {"max_position_embeddings", 8192}};
  for (const auto& [key, value] : changes.items()) config[key] = value;
  return config;
}

std::vector<int64_t> windows(const json& config) {
  const ModelConfig model = config_from(config);
  std::vector<int64_t> result;
  for (int64_t i = 0; i < model.num_layers(); ++i) {
    result.push_back(model.layer(i).attention.window);
  }
  return result;
}

// The elements of each head that turn, layer by layer.
std::vector<int64_t> rotary_dims(const json& config) {
  const ModelConfig model = config_from(config);
  std::vector<int64_t> result;
  for (int64_t i = 0; i < model.num_layers(); ++i) {
    result.push_back(model.layer(i).attention.rope.rotary_dim);
  }
  return result;
}

using Layers = std::vector<int64_t>;

TEST_CASE("a window that is absent is the class's default, and null is none") {
  CHECK(windows(config_of("gemma2")) == Layers{4096, 0, 4096, 0});
  CHECK(windows(config_of("olmo3", {{"sliding_window", 100}})) == Layers{100, 100, 100, 0});
  CHECK(windows(config_of("cohere2")) == Layers{4096, 4096, 4096, 0});
  CHECK(windows(config_of("exaone4")) == Layers{4096, 4096, 4096, 0});
  CHECK(windows(config_of("exaone4", {{"sliding_window", nullptr}})) == Layers{0, 0, 0, 0});
  CHECK(windows(config_of("starcoder2")) == Layers{0, 0, 0, 0});
  CHECK(windows(config_of("phi3", {{"sliding_window", 64}})) == Layers{64, 64, 64, 64});
  CHECK(windows(config_of("gemma3_text", {{"sliding_window_pattern", 2}, {"sliding_window", 9}})) ==
        Layers{9, 0, 9, 0});
  CHECK(contains(config_message(config_of("gemma2", {{"sliding_window", nullptr}})),
                 "sliding_window: expected a window"));
}

TEST_CASE("layers that turn nothing are those that the family says") {
  CHECK(rotary_dims(config_of("smollm3")) == Layers{8, 8, 8, 0});
  CHECK(rotary_dims(config_of("smollm3", {{"no_rope_layers", {0, 1, 0, 1}}})) ==
        Layers{0, 8, 0, 8});
  CHECK(rotary_dims(config_of("cohere2")) == Layers{8, 8, 8, 0});
  CHECK(rotary_dims(config_of("exaone4")) == Layers{8, 8, 8, 0});
  CHECK(rotary_dims(config_of("exaone4", {{"sliding_window", nullptr}})) == Layers{8, 8, 8, 8});
  CHECK(contains(config_message(config_of("smollm3", {{"no_rope_layers", {0, 1}}})),
                 "no_rope_layers: expected one number for each of the 4 layers"));
}

TEST_CASE("the part of a head that turns is the family's where the configuration says nothing") {
  const json wide = {{"hidden_size", 64}};
  CHECK(rotary_dims(config_of("phi", wide)).front() == 8);
  CHECK(rotary_dims(config_of("stablelm", wide)).front() == 4);
  CHECK(rotary_dims(config_of("nemotron", wide)).front() == 8);
  CHECK(rotary_dims(config_of("phi3", {{"partial_rotary_factor", 0.75}})).front() == 6);
  json neox = config_of("gpt_neox", wide);
  neox.erase("num_key_value_heads");
  CHECK(rotary_dims(neox).front() == 4);
  neox["rotary_pct"] = 1.0;
  CHECK(rotary_dims(neox).front() == 16);
  CHECK(contains(config_message(config_of("olmo2", {{"partial_rotary_factor", 0.5}})),
                 "partial_rotary_factor: expected 1.0, got 0.5"));
}

TEST_CASE("Gemma 2's caps are the class's where absent, and none where null") {
  const ModelConfig capped = config_from(config_of("gemma2"));
  CHECK(capped.attention().softcap == 50.0);
  CHECK(capped.logit_softcap == 30.0);
  const ModelConfig plain = config_from(config_of(
      "gemma2", {{"attn_logit_softcapping", nullptr}, {"final_logit_softcapping", nullptr}}));
  CHECK(plain.attention().softcap == 0);
  CHECK(plain.logit_softcap == 0);
}

TEST_CASE("Gemma 3 turns by a base for each kind of layer, in both styles of configuration") {
  const json old_style = {{"rope_theta", 2e6},
                          {"rope_local_base_freq", 2e4},
                          {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}};
  const json new_style = {
      {"rope_parameters",
       {{"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 2e6}}},
        {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 2e4}}}}}};
  for (json style : {old_style, new_style}) {
    style["sliding_window_pattern"] = 2;
    const ModelConfig config = config_from(config_of("gemma3_text", style));
    const RopeConfig& local = config.layer(0).attention.rope;
    const RopeConfig& global = config.layer(1).attention.rope;
    CHECK(local.theta == 2e4);
    CHECK(local.scaling == RopeConfig::Scaling::kNone);
    CHECK(global.theta == 2e6);
    CHECK(global.scaling == RopeConfig::Scaling::kLinear);
    CHECK(global.factor == 8.0);
  }
}

TEST_CASE("the text model of a multimodal Gemma 3 has the class's sizes where it names none") {
  const ModelConfig config = config_from({{"model_type", "gemma3"},
                                          {"eos_token_id", {1, 106}},
                                          {"vision_config", {{"hidden_size", 8}}},
                                          {"mm_tokens_per_image", 256},
                                          {"text_config",
                                           {{"model_type", "gemma3_text"},
                                            {"hidden_size", 2560},
                                            {"intermediate_size", 10240},
                                            {"num_hidden_layers", 34},
                                            {"sliding_window", 1024}}}});
  CHECK(config.vocab_size == 262208);
  CHECK(config.attention().num_heads == 8);
  CHECK(config.attention().num_kv_heads == 4);
  CHECK(config.attention().head_dim == 256);
  CHECK(config.tie_word_embeddings);
  CHECK(config.eos_token_ids == std::vector<int32_t>{1, 106});
  CHECK(config.bos_token_id == 2);
  CHECK(contains(
      config_message({{"model_type", "gemma3"},
                      {"text_config", {{"attn_scale", 2}, {"model_type", "gemma3_text"}}}}),
      "text_config.attn_scale: unknown key"));
}

TEST_CASE("longrope's original context of Phi-3 stands beside the dictionary") {
  const json factors = json::array({1.0, 1.0, 1.0, 1.0});
  const json changes = {
      {"rope_scaling", {{"type", "su"}, {"short_factor", factors}, {"long_factor", factors}}}};
  const RopeConfig rope = config_from(config_of("phi3", changes)).attention().rope;
  CHECK(rope.scaling == RopeConfig::Scaling::kLongrope);
  CHECK(rope.original_max_position_embeddings == 4096);
  CHECK(contains(
      config_message(config_of("phi3", {{"rope_scaling", {{"type", "linear"}, {"factor", 2}}}})),
      "rope_scaling: expected rotation of type default or longrope"));
}

TEST_CASE("values that would be computed wrongly are refused by name") {
  struct Refused {
    const char* type;
    const char* key;
    json changes;
  };
  const Refused refused[] = {
      {"olmo", "clip_qkv", {{"clip_qkv", 8.0}}},
      {"gemma", "use_bidirectional_attention", {{"use_bidirectional_attention", true}}},
      {"gemma3_text", "use_bidirectional_attention", {{"use_bidirectional_attention", true}}},
      {"phi3", "lm_head_bias", {{"lm_head_bias", true}}},
      {"cohere2", "use_qk_norm", {{"use_qk_norm", true}}},
      {"starcoder2", "norm_type", {{"norm_type", "rms_norm"}}},
      {"bloom",
       "apply_residual_connection_post_layernorm",
       {{"apply_residual_connection_post_layernorm", true}}},
      {"falcon",
       "apply_residual_connection_post_layernorm",
       {{"apply_residual_connection_post_layernorm", true}}},
      {"falcon", "num_ln_in_parallel_attn", {{"num_ln_in_parallel_attn", 2}}},
      {"falcon", "parallel_attn", {{"parallel_attn", false}, {"new_decoder_architecture", true}}},
      {"ministral", "layer_types", {{"layer_types", json::array({"chunked_attention"})}}}};
  for (const auto& [type, key, changes] : refused) {
    const std::string message = config_message(config_of(type, changes));
    CAPTURE(message);
    CHECK(contains(message, concat(key, ": expected ")));
  }
}

TEST_CASE("models of other kinds are refused by what is missing") {
  for (const auto& [type, missing] :
       {std::pair{"deepseek_v3", "multi-head latent attention"},
        std::pair{"qwen3_next", "linear attention"}, std::pair{"jamba", "linear attention"},
        std::pair{"llava", "images or audio"}, std::pair{"t5", "an encoder"},
        std::pair{"phimoe", "mixtures of experts"}, std::pair{"deepseek", "mixtures of experts"},
        std::pair{"hunyuan_v1_moe", "mixtures of experts"},
        std::pair{"llama4", "attention in chunks"}, std::pair{"glm4_moe", "a correction bias"},
        std::pair{"ernie4_5_moe", "a correction bias"}, std::pair{"dots1", "a correction bias"}}) {
    const std::string message = config_message(config_of(type));
    CAPTURE(message);
    CHECK(contains(message, "model_type: expected a model without"));
    CHECK(contains(message, missing));
  }
}

TEST_CASE("published models have their numbers of parameters") {
  const std::pair<const char*, int64_t> shapes[] = {
      {"gemma-3-1b", 999'885'952},   {"gemma-3-270m", 268'098'176},
      {"gemma-3-4b", 3'880'263'168}, {"gpt2-124m", 124'439'808},
      {"gpt2-350m", 354'823'168},    {"gpt2-xl", 1'557'611'200},
      {"llama-3-8b", 8'030'261'248}, {"llama-3.2-1b", 1'235'814'400},
      {"olmo-2-7b", 7'298'617'344},  {"gpt-oss-20b", 20'914'757'184},
      {"phi-4-mini", 3'836'021'760}, {"qwen2.5-0.5b", 494'032'768},
      {"qwen2.5-7b", 7'615'616'512}, {"qwen3-0.6b", 596'049'920},
      {"qwen3-1.7b", 1'720'574'976}, {"qwen3-4b", 4'022'468'096},
      {"qwen3-8b", 8'190'735'360},   {"qwen3-30b-a3b", 30'532'122'624},
      {"smollm3-3b", 3'075'098'624}};
  for (const auto& [name, parameters] : shapes) {
    const std::string shape = name;
    CAPTURE(shape);
    const ModelConfig config =
        read_model_config(std::filesystem::path(EET_SOURCE_DIR) / "samples" / "shapes" / shape);
    CHECK(parameter_count(config) == parameters);
  }
}

}  // namespace
}  // namespace eet
