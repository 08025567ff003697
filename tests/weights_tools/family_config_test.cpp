// What the families understand of config.json, and that they refuse the rest by name.
#include <doctest/doctest.h>

#include <cmath>

#include "lib/core/error.h"
#include "tests/weights_tools/test_files.h"

namespace eet {
namespace {

using nlohmann::json;

json with(json config, const json& changes) {
  for (const auto& [key, value] : changes.items()) config[key] = value;
  return config;
}

json llama_with(const json& changes) {
  return with(tiny_llama_config(), changes);
}
json gpt2_with(const json& changes) {
  return with(tiny_gpt2_config(), changes);
}

TEST_CASE("a LLaMA config becomes features") {
  const ModelConfig config = config_from(tiny_llama_config());
  CHECK(config.family == "llama");
  CHECK(config.attention().head_dim == 8);
  CHECK(config.norm.kind == NormKind::kRmsNorm);
  CHECK(config.layer(0).mlp.activation == Activation::kSilu);
  CHECK(config.layer(0).mlp.gated);
  CHECK(config.attention().rope.theta == 10000.0);
  CHECK_FALSE(config.tie_word_embeddings);
  CHECK_FALSE(config.attention().qkv_bias);
  CHECK(config.attention().scale == doctest::Approx(1 / std::sqrt(8.0)));
  CHECK(config.bos_token_id == 1);
  CHECK(config.eos_token_ids == std::vector<int32_t>{2});
}

TEST_CASE("optional LLaMA values are read") {
  CHECK(config_from(llama_with({{"head_dim", 24}})).attention().head_dim == 24);
  CHECK(config_from(llama_with({{"num_key_value_heads", nullptr}})).attention().num_kv_heads == 2);
  CHECK(config_from(llama_with({{"tie_word_embeddings", true}})).tie_word_embeddings);
  const ModelConfig biased =
      config_from(llama_with({{"attention_bias", true}, {"mlp_bias", true}}));
  CHECK(biased.attention().qkv_bias);
  CHECK(biased.attention().out_bias);
  CHECK(biased.layer(0).mlp.bias);
}

TEST_CASE("RoPE is read from the old and the new style of config") {
  CHECK(config_from(llama_with({{"rope_theta", 500000.0}})).attention().rope.theta == 500000.0);
  CHECK(config_from(llama_with({{"rope_theta", 500000}, {"rope_scaling", nullptr}}))
            .attention()
            .rope.theta == 5e5);
  CHECK(config_from(
            llama_with({{"rope_parameters", {{"rope_theta", 1e6}, {"rope_type", "default"}}}}))
            .attention()
            .rope.theta == 1e6);
  const json llama3 = {{"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 16},
                       {"rope_type", "llama3"}};
  for (const json& style :
       {json{{"rope_theta", 5e5}, {"rope_scaling", llama3}},
        json{{"rope_parameters", with(llama3, {{"rope_theta", 5e5}})}},
        json{{"rope_theta", 5e5}, {"rope_parameters", with(llama3, {{"rope_theta", 5e5}})}}}) {
    const RopeConfig rope = config_from(llama_with(style)).attention().rope;
    CHECK(rope.scaling == RopeConfig::Scaling::kLlama3);
    CHECK(rope.theta == 5e5);
    CHECK(rope.factor == 8.0);
    CHECK(rope.low_freq_factor == 1.0);
    CHECK(rope.high_freq_factor == 4.0);
    CHECK(rope.original_max_position_embeddings == 16);
  }
  const RopeConfig linear =
      config_from(llama_with({{"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}}}))
          .attention()
          .rope;
  CHECK(linear.scaling == RopeConfig::Scaling::kLinear);
  CHECK(linear.factor == 2.0);
}

TEST_CASE("RoPE that is not understood is refused by name and value") {
  CHECK(
      contains(config_message(llama_with({{"rope_scaling", {{"type", "ntk"}, {"factor", 2}}}})),
               "config.json: rope_scaling.type: expected default, linear, dynamic, llama3, yarn or "
               "longrope, got \"ntk\""));
  CHECK(contains(config_message(llama_with({{"rope_scaling", {{"type", "linear"}}}})),
                 "rope_scaling.factor: missing"));
  CHECK(contains(
      config_message(llama_with(
          {{"rope_scaling", {{"type", "linear"}, {"factor", 2}, {"mrope_section", {1, 2}}}}})),
      "rope_scaling.mrope_section: unknown key with value [1,2]"));
  CHECK(contains(config_message(llama_with(
                     {{"rope_scaling",
                       {{"type", "longrope"}, {"short_factor", {1.0}}, {"long_factor", {1.0}}}}})),
                 "rope short_factor: expected 4 numbers"));
}

TEST_CASE("LLaMA values that are not understood are refused by name and value") {
  CHECK(contains(config_message(llama_with({{"hidden_act", "mish"}})),
                 "hidden_act: expected one of"));
  CHECK(contains(config_message(llama_with({{"quantization_config", {{"bits", 4}}}})),
                 "quantization_config: expected none"));
  CHECK(contains(config_message(llama_with({{"hidden_size", "16"}})),
                 "hidden_size: expected an integer, got \"16\""));
  CHECK(contains(config_message(llama_with({{"hidden_size", 16.0}})),
                 "hidden_size: expected an integer"));
  CHECK(contains(config_message(llama_with({{"hidden_size", -16}})),
                 "hidden_size: expected a positive"));
  CHECK(contains(config_message(llama_with({{"hidden_size", nullptr}})), "hidden_size: missing"));
  CHECK(contains(config_message(llama_with({{"num_attention_heads", 3}})),
                 "num_attention_heads: expected a divisor of the hidden size 16, got 3"));
  CHECK(contains(config_message(llama_with({{"max_position_embeddings", 100'000'000}})),
                 "config.json: max_position_embeddings: expected 1 to 16777216"));
  CHECK(contains(config_message(llama_with({{"pruned_heads", {{"0", {1}}}}})), "pruned_heads"));
  CHECK(contains(config_message({{"vocab_size", 5}}), "model_type: missing"));
  CHECK(contains(config_message(llama_with({{"model_type", "unheard_of"}})),
                 "model_type: expected one of "));
}

TEST_CASE("unknown keys are harmless, named in one warning, or refused") {
  const auto warnings_of = [](const json& config, const ConfigPolicy& policy) {
    const TempDirectory directory;
    write_model(directory.path(), config, tiny_llama_tensors());
    return open_checkpoint(directory.path(), policy).warnings;
  };
  CHECK(warnings_of(llama_with({{"_anything", 1},
                                {"some_scale", nullptr},
                                {"hidden_dropout", 0.5},
                                {"unsloth_version", "2025.1"}}),
                    {})
            .empty());
  const std::vector<std::string> warnings =
      warnings_of(llama_with({{"my_note", "x"}, {"another", 1}}), {});
  REQUIRE(warnings.size() == 1);
  CHECK(contains(warnings[0], "ignored: another, my_note"));
  const auto refusal = [&](const json& config, const ConfigPolicy& policy) {
    return message_of([&] { warnings_of(config, policy); });
  };
  CHECK(
      contains(refusal(llama_with({{"my_note", "x"}}), {.strict = true}), "my_note: unknown key"));
  for (const char* key : {"attn_scale", "logit_multiplier", "clip_qkv", "sliding_window_size",
                          "use_parallel_residual", "num_experts", "multi_query"}) {
    CAPTURE(key);
    const json config = llama_with({{key, 2}});
    CHECK(contains(refusal(config, {}), concat(key, ": unknown key with value 2")));
    CHECK(contains(refusal(config, {}), concat("--ignore-config ", key)));
    CHECK(refusal(config, {.ignored = {key}}) == "no error");
  }
  const json nested =
      llama_with({{"rope_scaling", {{"type", "linear"}, {"factor", 2}, {"new_part", 1}}}});
  CHECK(contains(refusal(nested, {}), "rope_scaling.new_part: unknown key"));
  CHECK(refusal(nested, {.ignored = {"rope_scaling.new_part"}}) == "no error");
}

TEST_CASE("sliding windows are those of the layers that have one") {
  const auto windows = [](const json& changes) {
    const ModelConfig config = config_from(llama_with(changes));
    std::vector<int64_t> of_layers;
    for (int64_t i = 0; i < config.num_layers(); ++i) {
      of_layers.push_back(config.layer(i).attention.window);
    }
    return of_layers;
  };
  using Windows = std::vector<int64_t>;
  const json mistral = {{"model_type", "mistral"}, {"sliding_window", 31}};
  CHECK(windows(mistral) == Windows{31, 31});
  // One that no position can leave is none.
  CHECK(windows(with(mistral, {{"sliding_window", 32}})) == Windows{0, 0});
  CHECK(windows(with(mistral, {{"sliding_window", nullptr}})) == Windows{0, 0});
  CHECK(windows({{"model_type", "mistral"}, {"max_position_embeddings", 8192}}) ==
        Windows{4096, 4096});  // what the absence of the key means
  const json qwen2 = {{"model_type", "qwen2"}, {"sliding_window", 16}, {"max_window_layers", 1}};
  CHECK(windows(with(qwen2, {{"use_sliding_window", false}})) == Windows{0, 0});
  CHECK(windows(with(qwen2, {{"use_sliding_window", true}})) == Windows{0, 16});
  CHECK(windows(with(qwen2, {{"use_sliding_window", true},
                             {"layer_types", {"sliding_attention", "full_attention"}}})) ==
        Windows{16, 0});
  CHECK(contains(config_message(llama_with(
                     with(mistral, {{"layer_types", {"full_attention", "linear_attention"}}}))),
                 "layer_types: expected only"));
}

TEST_CASE("Qwen2 has biases on q, k and v only") {
  const ModelConfig config = config_from(llama_with({{"model_type", "qwen2"}}));
  CHECK(config.attention().qkv_bias);
  CHECK_FALSE(config.attention().out_bias);
  CHECK_FALSE(config.bos_token_id.has_value());
}

TEST_CASE("a GPT-2 config becomes features") {
  const ModelConfig config = config_from(tiny_gpt2_config());
  CHECK(config.norm.kind == NormKind::kLayerNorm);
  CHECK(config.norm.bias);
  CHECK(config.layer(0).mlp.activation == Activation::kGeluTanh);
  CHECK_FALSE(config.layer(0).mlp.gated);
  CHECK(config.layer(0).mlp.intermediate_size == 64);
  CHECK(config.learned_positions);
  CHECK(config.attention().qkv_bias);
  CHECK(config.tie_word_embeddings);
  CHECK(config_from(gpt2_with({{"activation_function", "gelu"}})).layer(0).mlp.activation ==
        Activation::kGeluErf);
  CHECK(config_from(gpt2_with({{"n_inner", 40}})).layer(0).mlp.intermediate_size == 40);
  CHECK(config_from(gpt2_with({{"tie_word_embeddings", false}})).tie_word_embeddings == false);
  CHECK(config_from(gpt2_with({{"scale_attn_weights", false}})).attention().scale == 1.0);
}

TEST_CASE("GPT-2 values that are not understood are refused by name and value") {
  CHECK(contains(config_message(gpt2_with({{"activation_function", "mish"}})),
                 "activation_function: expected one of"));
  CHECK(contains(config_message(gpt2_with({{"scale_attn_by_inverse_layer_idx", true}})),
                 "scale_attn_by_inverse_layer_idx: expected false, got true"));
  CHECK(
      contains(config_message(gpt2_with({{"add_cross_attention", true}})), "add_cross_attention"));
  CHECK(config_message(gpt2_with({{"n_ctx", 16}})) == "no error");  // n_positions decides
  CHECK(contains(config_message(gpt2_with({{"n_head", 3}})),
                 "n_head: expected a divisor of the hidden size 16"));
  CHECK(contains(config_message(gpt2_with({{"hidden_act", "silu"}})), "hidden_act: unknown key"));
  CHECK(config_message(gpt2_with({{"reorder_and_upcast_attn", true}, {"attn_pdrop", 0.3}})) ==
        "no error");
}

TEST_CASE("malformed JSON in config.json is refused with its place") {
  const TempDirectory directory;
  for (const char* text : {"{", "{\"model_type\": }", "[1]", "nonsense", "{\"a\":1,\"a\":2}"}) {
    CAPTURE(text);
    write_file(directory / "config.json", text);
    const std::string message = message_of([&] { read_model_config(directory.path()); });
    CHECK(contains(message, "config.json: "));
  }
}

TEST_CASE("generation_config.json decides about all EOS ids, and config.json where it is silent") {
  const TempDirectory directory;
  write_file(directory / "config.json",
             llama_with({{"eos_token_id", 3}, {"bos_token_id", 4}}).dump());
  CHECK(read_model_config(directory.path()).eos_token_ids == std::vector<int32_t>{3});
  CHECK(read_model_config(directory.path()).bos_token_id == 4);
  write_file(directory / "generation_config.json",
             R"({"eos_token_id": [5, 6, 7], "temperature": 0.6})");
  CHECK(read_model_config(directory.path()).eos_token_ids == std::vector<int32_t>{5, 6, 7});
  CHECK(read_model_config(directory.path()).bos_token_id == 4);
  write_file(directory / "generation_config.json", R"({"eos_token_id": 8, "bos_token_id": 9})");
  CHECK(read_model_config(directory.path()).eos_token_ids == std::vector<int32_t>{8});
  CHECK(read_model_config(directory.path()).bos_token_id == 9);
  write_file(directory / "generation_config.json", R"({"eos_token_id": "x"})");
  CHECK(contains(message_of([&] { read_model_config(directory.path()); }),
                 "generation_config.json: eos_token_id: expected a token id or a list"));
}

TEST_CASE("null means no EOS and no BOS") {
  const ModelConfig config =
      config_from(llama_with({{"eos_token_id", nullptr}, {"bos_token_id", nullptr}}));
  CHECK(config.eos_token_ids.empty());
  CHECK_FALSE(config.bos_token_id.has_value());
}

TEST_CASE("token ids outside the vocabulary are dropped with a warning") {
  const TempDirectory directory;
  write_model(directory.path(), gpt2_with({{"eos_token_id", {3, 50256}}, {"bos_token_id", -1}}),
              tiny_gpt2_tensors());
  const Checkpoint checkpoint = open_checkpoint(directory.path());
  CHECK(checkpoint.config.eos_token_ids == std::vector<int32_t>{3});
  CHECK_FALSE(checkpoint.config.bos_token_id.has_value());
  REQUIRE(checkpoint.warnings.size() == 2);
  CHECK(contains(checkpoint.warnings[1],
                 "eos_token_id: 50256 is outside the vocabulary of 11 tokens"));
}

}  // namespace
}  // namespace eet
