#include "weights_tools/eet_config.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "lib/core/error.h"
#include "weights_tools/json_object.h"

namespace eet {
namespace {

// A change of meaning of any key, or a new key, is a new version.
constexpr int64_t kFormatVersion = 1;

// The words that stand for the values of an enumeration.
template <typename Value, size_t n>
using Words = std::array<std::pair<const char*, Value>, n>;

constexpr Words<NormKind, 2> kNorms = {
    {{"rms_norm", NormKind::kRmsNorm}, {"layer_norm", NormKind::kLayerNorm}}};
constexpr Words<Activation, 3> kActivations = {{{"silu", Activation::kSilu},
                                                {"gelu_tanh", Activation::kGeluTanh},
                                                {"gelu_erf", Activation::kGeluErf}}};
constexpr Words<PositionKind, 2> kPositions = {
    {{"learned", PositionKind::kLearned}, {"rope", PositionKind::kRope}}};
constexpr Words<RopeConfig::Scaling, 3> kScalings = {{{"none", RopeConfig::Scaling::kNone},
                                                      {"linear", RopeConfig::Scaling::kLinear},
                                                      {"llama3", RopeConfig::Scaling::kLlama3}}};
constexpr Words<DType, 3> kDTypes = {
    {{"fp32", DType::kF32}, {"fp16", DType::kF16}, {"bf16", DType::kBF16}}};

template <typename Value, size_t n>
const char* word_of(const Words<Value, n>& words, Value value) {
  const auto found = std::find_if(words.begin(), words.end(),
                                  [&](const auto& word) { return word.second == value; });
  require(found != words.end(), kEetConfigFile, ": a value has no word");
  return found->first;
}

template <typename Value, size_t n>
Value read_word(JsonObject& json, const char* key, const Words<Value, n>& words) {
  const std::string text = json.string(key);
  std::string known;
  for (const auto& [word, value] : words) {
    if (text == word) return value;
    known += concat(known.empty() ? "" : ", ", word);
  }
  json.refuse(key, "one of " + known);
}

int32_t read_id(JsonObject& json, const char* key, const nlohmann::json& value) {
  const bool fits = value.is_number_integer() && value >= 0 && value <= INT32_MAX;
  if (!fits) json.refuse(key, "token ids");
  return value.get<int32_t>();
}

RopeConfig read_rope(JsonObject json) {
  RopeConfig rope;
  rope.theta = json.number("theta");
  rope.scaling = read_word(json, "scaling", kScalings);
  rope.factor = json.number("factor");
  rope.low_freq_factor = json.number("low_freq_factor");
  rope.high_freq_factor = json.number("high_freq_factor");
  rope.original_max_position_embeddings = json.size("original_max_position_embeddings");
  json.refuse_unknown_keys();
  return rope;
}

}  // namespace

std::string format_eet_config(const ModelConfig& config) {
  nlohmann::ordered_json json = {
      {"format_version", kFormatVersion},
      {"family", config.family},
      {"dtype", word_of(kDTypes, config.dtype)},
      {"vocab_size", config.vocab_size},
      {"hidden_size", config.hidden_size},
      {"intermediate_size", config.intermediate_size},
      {"num_layers", config.num_layers},
      {"num_heads", config.num_heads},
      {"num_kv_heads", config.num_kv_heads},
      {"head_dim", config.head_dim},
      {"max_position_embeddings", config.max_position_embeddings},
      {"norm", word_of(kNorms, config.norm)},
      {"norm_eps", config.norm_eps},
      {"norm_bias", config.norm_bias},
      {"activation", word_of(kActivations, config.activation)},
      {"gated_mlp", config.gated_mlp},
      {"position", word_of(kPositions, config.position)},
      {"qkv_bias", config.qkv_bias},
      {"attention_out_bias", config.attention_out_bias},
      {"mlp_bias", config.mlp_bias},
      {"tie_word_embeddings", config.tie_word_embeddings},
      {"attention_scale", config.attention_scale},
      {"bos_token_id", nullptr},
      {"eos_token_ids", config.eos_token_ids},
  };
  if (config.bos_token_id) json["bos_token_id"] = *config.bos_token_id;
  if (config.position == PositionKind::kRope) {
    json["rope"] = {
        {"theta", config.rope.theta},
        {"scaling", word_of(kScalings, config.rope.scaling)},
        {"factor", config.rope.factor},
        {"low_freq_factor", config.rope.low_freq_factor},
        {"high_freq_factor", config.rope.high_freq_factor},
        {"original_max_position_embeddings", config.rope.original_max_position_embeddings},
    };
  }
  return json.dump(2) + "\n";
}

ModelConfig read_eet_config(const std::filesystem::path& path) {
  JsonObject json = JsonObject::read(path);
  if (json.integer("format_version") != kFormatVersion) {
    json.refuse("format_version",
                concat(kFormatVersion, " (convert the model again with this version of eet)"));
  }
  ModelConfig config;
  config.family = json.string("family");
  config.dtype = read_word(json, "dtype", kDTypes);
  config.vocab_size = json.size("vocab_size");
  config.hidden_size = json.size("hidden_size");
  config.intermediate_size = json.size("intermediate_size");
  config.num_layers = json.size("num_layers");
  config.num_heads = json.size("num_heads");
  config.num_kv_heads = json.size("num_kv_heads");
  config.head_dim = json.size("head_dim");
  config.max_position_embeddings = json.size("max_position_embeddings");
  config.norm = read_word(json, "norm", kNorms);
  config.norm_eps = json.number("norm_eps");
  config.norm_bias = json.boolean("norm_bias");
  config.activation = read_word(json, "activation", kActivations);
  config.gated_mlp = json.boolean("gated_mlp");
  config.position = read_word(json, "position", kPositions);
  if (config.position == PositionKind::kRope) config.rope = read_rope(json.object("rope"));
  config.qkv_bias = json.boolean("qkv_bias");
  config.attention_out_bias = json.boolean("attention_out_bias");
  config.mlp_bias = json.boolean("mlp_bias");
  config.tie_word_embeddings = json.boolean("tie_word_embeddings");
  config.attention_scale = json.number("attention_scale");
  if (json.has("bos_token_id")) {
    config.bos_token_id = read_id(json, "bos_token_id", json.value("bos_token_id"));
  }
  json.ignore({"bos_token_id"});
  const nlohmann::json& eos = json.value("eos_token_ids");
  if (!eos.is_array()) json.refuse("eos_token_ids", "a list of token ids");
  for (const auto& id : eos) config.eos_token_ids.push_back(read_id(json, "eos_token_ids", id));
  json.refuse_unknown_keys();
  return config;
}

}  // namespace eet
