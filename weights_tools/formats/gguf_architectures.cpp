// From llama.cpp (gguf-py/gguf/constants.py and tensor_mapping.py, conversion of each model) and
// transformers (integrations/ggml.py).
#include "weights_tools/formats/gguf_architectures.h"

#include <algorithm>
#include <iterator>

namespace eet {
namespace {

using nlohmann::json;

constexpr GgufKey kCommonKeys[] = {
    {"context_length", "max_position_embeddings"},
    {"embedding_length", "hidden_size"},
    {"block_count", "num_hidden_layers"},
    {"feed_forward_length", "intermediate_size"},
    {"attention.head_count", "num_attention_heads"},
    {"attention.head_count_kv", "num_key_value_heads"},
    {"attention.key_length", "head_dim"},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
    {"attention.sliding_window", "sliding_window"},
    {"rope.freq_base", "rope_theta"},
    // Read on their own (gguf_model.cpp).
    {"attention.value_length"},
    {"expert_count"},
    {"expert_feed_forward_length"},
    {"expert_used_count"},
    {"rope.dimension_count"},
    {"rope.scale_linear"},
    {"rope.scaling.attn_factor"},
    {"rope.scaling.factor"},
    {"rope.scaling.original_context_length"},
    {"rope.scaling.type"},
    {"rope.scaling.yarn_beta_fast"},
    {"rope.scaling.yarn_beta_slow"},
    // Of the file, not of the model.
    {"rope.scaling.finetuned"},
    {"tensor_data_layout"},
    {"vocab_size"},
};

constexpr GgufKey kGpt2Keys[] = {
    {"context_length", "n_positions"},
    {"embedding_length", "n_embd"},
    {"block_count", "n_layer"},
    {"feed_forward_length", "n_inner"},
    {"attention.head_count", "n_head"},
    {"attention.head_count_kv"},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon"},
};

constexpr GgufKey kGemma2Keys[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping"},
    {"final_logit_softcapping", "final_logit_softcapping"},
};

constexpr GgufKey kGemma3Keys[] = {
    {"attention.sliding_window_pattern", "sliding_window_pattern"},
    {"final_logit_softcapping", "final_logit_softcapping"},
    {"rope.freq_base_swa", "rope_local_base_freq"},
};

constexpr GgufKey kGptNeoxKeys[] = {
    {"attention.layer_norm_epsilon", "layer_norm_eps"},
    {"rope.freq_base", "rotary_emb_base"},
    {"use_parallel_residual", "use_parallel_residual"},
};

constexpr GgufKey kFalconKeys[] = {
    {"feed_forward_length", "ffn_hidden_size"},
    {"attention.head_count_kv", "num_kv_heads"},
    {"attention.key_length"},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon"},
};

constexpr GgufKey kQwen2MoeKeys[] = {
    {"expert_feed_forward_length", "moe_intermediate_size"},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
};

constexpr GgufKey kQwen3MoeKeys[] = {
    {"expert_feed_forward_length", "moe_intermediate_size"},
};

constexpr GgufKey kStarcoder2Keys[] = {
    {"attention.layer_norm_epsilon", "norm_epsilon"},
};

constexpr GgufKey kGraniteKeys[] = {
    {"attention.scale", "attention_multiplier"},
    {"embedding_scale", "embedding_multiplier"},
    {"residual_scale", "residual_multiplier"},
    {"logit_scale", "logits_scaling"},
    {"expert_shared_feed_forward_length", "shared_intermediate_size"},
};

// Files have biases or not; no key tells.
void find_biases(json& config, const Gguf& gguf) {
  config["attention_bias"] = gguf.tensors.contains("blk.0.attn_q.bias");
  config["mlp_bias"] = gguf.tensors.contains("blk.0.ffn_down.bias");
}

void find_attention_bias(json& config, const Gguf& gguf) {
  config["attention_bias"] = gguf.tensors.contains("blk.0.attn_q.bias");
}

void find_qkv_bias(json& config, const Gguf& gguf) {
  config["qkv_bias"] = gguf.tensors.contains("blk.0.attn_q.bias");
}

// llama.cpp knows the largest Gemma 2 and 3 by their layers: their scores are scaled by
// hidden_size / num_heads, those of the others by head_dim.
void set_gemma_scale(json& config, const Gguf& /*gguf*/) {
  const json& layers = config["num_hidden_layers"];
  const bool is_27b = (config["model_type"] == "gemma2" && layers == 46) ||
                      (config["model_type"] == "gemma3_text" && layers == 62);
  const json& hidden = config["hidden_size"];
  const json& heads = config["num_attention_heads"];
  const bool known = hidden.is_number_integer() && heads.is_number_integer() && heads > 0;
  if (known && (is_27b || config["head_dim"].is_null())) {
    config["query_pre_attn_scalar"] = hidden.get<double>() / heads.get<double>();
  } else {
    config["query_pre_attn_scalar"] = config["head_dim"];
  }
}

// The kinds of Falcon: by heads of keys, norms and biases.
void find_falcon_kind(json& config, const Gguf& gguf) {
  const json& kv_heads = config["num_kv_heads"];
  const bool is_new = kv_heads != 1 && kv_heads != config["num_attention_heads"];
  const bool two_norms = gguf.tensors.contains("blk.0.attn_norm_2.weight");
  config["new_decoder_architecture"] = is_new || two_norms;
  config["num_ln_in_parallel_attn"] = two_norms ? 2 : 1;
  config["multi_query"] = kv_heads == 1;
  config["bias"] = gguf.tensors.contains("blk.0.attn_qkv.bias");
}

// Of two norms, the first is the MLP's.
void add_falcon_names(NameMap& names) {
  names.tensors.insert(names.tensors.begin(), {TensorId::kAttnNorm, {"blk.#.attn_norm_2"}});
  names.tensors.push_back({TensorId::kMlpNorm, {"blk.#.attn_norm"}});
}

// llama.cpp's graph of the architecture divides the weights of a token's experts by their sum.
void normalise_weights(json& config, const Gguf& gguf) {
  config["norm_topk_prob"] = true;
  find_attention_bias(config, gguf);
}

// Mixtral, where the file has experts.
void find_llama_kind(json& config, const Gguf& gguf) {
  if (!config.contains("num_local_experts")) return find_biases(config, gguf);
  config["model_type"] = "mixtral";
  if (!config.contains("rope_theta")) config["rope_theta"] = 10000.0;
}

void find_granite_kind(json& config, const Gguf& gguf) {
  find_attention_bias(config, gguf);
  if (config.contains("shared_intermediate_size")) config["model_type"] = "granitemoeshared";
}

// Files do not tell how the range of YaRN's dimensions is rounded; in the published models it is
// not.
void set_gpt_oss_rotation(json& config, const Gguf& gguf) {
  find_attention_bias(config, gguf);
  if (config.contains("rope_scaling")) {
    config["rope_scaling"]["truncate"] = false;
  } else {
    config["rope_scaling"] = {{"rope_type", "default"}};
  }
}

void add_gpt_oss_names(NameMap& names) {
  names.tensors.push_back({TensorId::kMlpNorm, {"blk.#.post_attention_norm"}});
}

constexpr SourceLayout kPairs = SourceLayout::kInterleavedPairs;
constexpr SourceLayout kSame = SourceLayout::kSame;

constexpr GgufArchitecture kArchitectures[] = {
    {"llama", "llama", {}, kPairs, find_llama_kind, nullptr, true},
    {"qwen2", "qwen2"},
    {"qwen3", "qwen3", {}, kSame, find_attention_bias},
    {"gemma", "gemma"},
    {"gemma2", "gemma2", kGemma2Keys, kSame, set_gemma_scale},
    {"gemma3", "gemma3_text", kGemma3Keys, kSame, set_gemma_scale},
    {"phi3", "phi3"},
    {"gpt2", "gpt2", kGpt2Keys},
    {"gptneox", "gpt_neox", kGptNeoxKeys},
    {"falcon", "falcon", kFalconKeys, kSame, find_falcon_kind, add_falcon_names},
    {"starcoder2", "starcoder2", kStarcoder2Keys},
    {"olmo2", "olmo2", {}, kSame, find_attention_bias},
    {"granite", "granite", kGraniteKeys, kPairs, find_biases},
    {"granitemoe", "granitemoe", kGraniteKeys, kPairs, find_granite_kind, nullptr, true},
    {"qwen2moe", "qwen2_moe", kQwen2MoeKeys, kSame, find_qkv_bias, nullptr, true},
    {"qwen3moe", "qwen3_moe", kQwen3MoeKeys, kSame, normalise_weights, nullptr, true},
    {"olmoe", "olmoe", {}, kSame, find_attention_bias, nullptr, true},
    {"gpt-oss", "gpt_oss", {}, kSame, set_gpt_oss_rotation, add_gpt_oss_names, true},
};

const GgufKey* find_in(std::span<const GgufKey> keys, std::string_view name) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const GgufKey& key) { return key.gguf == name; });
  return found == keys.end() ? nullptr : &*found;
}

}  // namespace

const GgufArchitecture* find_gguf_architecture(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                   [&](const GgufArchitecture& known) { return known.name == name; });
  return found == std::end(kArchitectures) ? nullptr : found;
}

std::string known_gguf_architectures() {
  std::string list;
  for (const GgufArchitecture& known : kArchitectures) {
    if (!list.empty()) list += ", ";
    list += known.name;
  }
  return list;
}

const GgufKey* find_gguf_key(const GgufArchitecture& architecture, std::string_view key) {
  const GgufKey* own = find_in(architecture.keys, key);
  return own != nullptr ? own : find_in(kCommonKeys, key);
}

NameMap gguf_names(const GgufArchitecture& architecture) {
  NameMap names = {
      .tensors = {{TensorId::kTokenEmbedding, {"token_embd"}},
                  {TensorId::kPositionEmbedding, {"position_embd"}},
                  {TensorId::kEmbeddingNorm, {"token_embd_norm"}},
                  {TensorId::kAttnNorm, {"blk.#.attn_norm"}},
                  {TensorId::kQkv,
                   {"blk.#.attn_q", "blk.#.attn_k", "blk.#.attn_v"},
                   architecture.qkv_layout},
                  {TensorId::kQkv, {"blk.#.attn_qkv"}},
                  {TensorId::kQNorm, {"blk.#.attn_q_norm"}},
                  {TensorId::kKNorm, {"blk.#.attn_k_norm"}},
                  {TensorId::kSinks, {"blk.#.attn_sinks"}},
                  {TensorId::kAttnOut, {"blk.#.attn_output"}},
                  {TensorId::kAttnPostNorm, {"blk.#.post_attention_norm"}},
                  {TensorId::kMlpNorm, {"blk.#.ffn_norm"}},
                  {TensorId::kMlpUp, {"blk.#.ffn_gate", "blk.#.ffn_up"}},
                  {TensorId::kMlpUp, {"blk.#.ffn_up"}},
                  {TensorId::kMlpDown, {"blk.#.ffn_down"}},
                  {TensorId::kRouter, {"blk.#.ffn_gate_inp"}},
                  {TensorId::kExpertsUp, {"blk.#.ffn_gate_exps", "blk.#.ffn_up_exps"}},
                  {TensorId::kExpertsUp, {"blk.#.ffn_gate.*", "blk.#.ffn_up.*"}},
                  {TensorId::kExpertsUp, {"blk.#.ffn_gate_up_exps"}},
                  {TensorId::kExpertsDown, {"blk.#.ffn_down_exps"}},
                  {TensorId::kExpertsDown, {"blk.#.ffn_down.*"}},
                  {TensorId::kSharedUp, {"blk.#.ffn_gate_shexp", "blk.#.ffn_up_shexp"}},
                  {TensorId::kSharedDown, {"blk.#.ffn_down_shexp"}},
                  {TensorId::kSharedGate, {"blk.#.ffn_gate_inp_shexp"}, SourceLayout::kOneRow},
                  {TensorId::kMlpPostNorm, {"blk.#.post_ffw_norm"}},
                  {TensorId::kFinalNorm, {"output_norm"}},
                  {TensorId::kLmHead, {"output"}}},
      .prefixes = {},
      // Read with the configuration, or follow from it.
      .ignorable = {"rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight",
                    "blk.#.attn_rot_embd"}};
  if (architecture.add_names != nullptr) architecture.add_names(names);
  return names;
}

}  // namespace eet
