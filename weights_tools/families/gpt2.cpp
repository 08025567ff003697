// GPT-2 (Radford et al. 2019): learned positions, LayerNorm before each block, biases everywhere,
// and linear layers stored transposed (Conv1D).
#include <array>
#include <cmath>

#include "lib/core/error.h"
#include "weights_tools/families.h"

namespace eet {
namespace {

constexpr std::array<std::string_view, 1> kModelTypes = {"gpt2"};

Activation read_activation(JsonObject& config) {
  const std::string name = config.string_or("activation_function", "gelu_new");
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") {
    return Activation::kGeluTanh;
  }
  if (name == "gelu" || name == "gelu_python") return Activation::kGeluErf;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  config.refuse("activation_function", "gelu_new, gelu_pytorch_tanh, gelu_fast, gelu or silu");
}

ModelConfig read_config(JsonObject& json) {
  ModelConfig config;
  config.family = "gpt2";
  config.vocab_size = json.size("vocab_size");
  config.hidden_size = json.size("n_embd");
  config.intermediate_size = json.size_or("n_inner", 4 * config.hidden_size);
  config.num_layers = json.size("n_layer");
  config.num_heads = json.size("n_head");
  config.num_kv_heads = config.num_heads;
  if (config.hidden_size % config.num_heads != 0) {
    json.refuse("n_head", concat("a divisor of n_embd ", config.hidden_size));
  }
  config.head_dim = config.hidden_size / config.num_heads;
  config.max_position_embeddings = json.size("n_positions");
  json.expect("n_ctx", config.max_position_embeddings);

  config.norm = NormKind::kLayerNorm;
  config.norm_eps = json.number_or("layer_norm_epsilon", 1e-5);
  config.norm_bias = true;
  config.activation = read_activation(json);
  config.gated_mlp = false;
  config.position = PositionKind::kLearned;
  config.qkv_bias = config.attention_out_bias = config.mlp_bias = true;
  config.tie_word_embeddings = json.boolean_or("tie_word_embeddings", true);
  const bool scaled = json.boolean_or("scale_attn_weights", true);
  config.attention_scale = scaled ? 1.0 / std::sqrt(static_cast<double>(config.head_dim)) : 1.0;
  json.expect("scale_attn_by_inverse_layer_idx", false);
  config.bos_token_id = 50256;
  config.eos_token_ids = {50256};

  // Dropouts, initialisation, the classification head, and how transformers computes.
  json.ignore({"attn_pdrop", "embd_pdrop", "resid_pdrop", "initializer_range",
               "reorder_and_upcast_attn", "summary_activation", "summary_first_dropout",
               "summary_proj_to_labels", "summary_type", "summary_use_proj", "output_past",
               "n_special", "predict_special_tokens", "_num_labels"});
  return config;
}

// Conv1D weights are stored [in, out]; the fused q, k, v columns are in canonical order already.
Source conv1d(const TensorSpec& spec, std::string name) {
  const bool is_matrix = spec.shape.size() == 2;
  return {std::move(name), spec.shape, is_matrix ? SourceLayout::kTransposed : SourceLayout::kSame};
}

std::vector<Source> sources(const TensorSpec& spec) {
  const CanonicalName name = parse_canonical_name(spec.name);
  const std::string kind = concat('.', name.kind);
  const std::string layer = concat("h.", name.layer, '.');
  if (name.module == "token_embedding") return {{"wte.weight", spec.shape}};
  if (name.module == "position_embedding") return {{"wpe.weight", spec.shape}};
  if (name.module == "attn_norm") return {{layer + "ln_1" + kind, spec.shape}};
  if (name.module == "qkv") return {conv1d(spec, layer + "attn.c_attn" + kind)};
  if (name.module == "attn_out") return {conv1d(spec, layer + "attn.c_proj" + kind)};
  if (name.module == "mlp_norm") return {{layer + "ln_2" + kind, spec.shape}};
  if (name.module == "mlp_up") return {conv1d(spec, layer + "mlp.c_fc" + kind)};
  if (name.module == "mlp_down") return {conv1d(spec, layer + "mlp.c_proj" + kind)};
  if (name.module == "final_norm") return {{"ln_f" + kind, spec.shape}};
  if (name.module == "lm_head") return {{"lm_head.weight", spec.shape}};
  throw Error(concat("gpt2: no name for tensor ", spec.name));
}

NameMap name_map(const ModelConfig& config) {
  NameMap names;
  names.sources = sources;
  names.optional_prefix = "transformer.";
  names.is_ignorable = [tied = config.tie_word_embeddings](std::string_view name) {
    return matches_numbered(name, "h.#.attn.bias") ||         // the causal mask
           matches_numbered(name, "h.#.attn.masked_bias") ||  // what masked scores become
           (tied && name == "lm_head.weight");                // the tie replaces it
  };
  return names;
}

}  // namespace

const Family kGpt2Family = {"gpt2", kModelTypes, read_config, name_map};

}  // namespace eet
