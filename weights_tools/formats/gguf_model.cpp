#include "weights_tools/formats/gguf_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "lib/core/error.h"
#include "weights_tools/families/family.h"
#include "weights_tools/formats/gguf.h"
#include "weights_tools/formats/gguf_architectures.h"
#include "weights_tools/json_object.h"
#include "weights_tools/tensor_sources.h"

namespace eet {
namespace {

using nlohmann::json;

// A list of numbers that are all the same says for each layer what one number says for all.
template <typename Number>
json json_of_list(const std::vector<Number>& list) {
  const bool same =
      std::adjacent_find(list.begin(), list.end(), std::not_equal_to<>()) == list.end();
  return same && !list.empty() ? json(Number{list.front()}) : json(list);
}

json json_of(const GgufValue& value) {
  return std::visit(
      [](const auto& held) -> json {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (requires { typename Held::allocator_type; }) {
          return json_of_list(held);
        } else {
          return json(held);
        }
      },
      value);
}

const GgufArchitecture& architecture_of(const GgufMetadata& metadata) {
  const auto type = metadata.string("general.type");
  if (type && *type != "model") {
    metadata.refuse("general.type", concat("\"model\", got \"", *type, '"'));
  }
  const auto name = metadata.string("general.architecture");
  if (!name) metadata.refuse("general.architecture", "the name of an architecture, got nothing");
  const GgufArchitecture* found = find_gguf_architecture(*name);
  if (found == nullptr) {
    metadata.refuse("general.architecture",
                    concat("one of ", known_gguf_architectures(), ", got \"", *name, '"'));
  }
  return *found;
}

// The values that stand behind "ARCHITECTURE.".
class ModelValues {
 public:
  ModelValues(const Gguf& gguf, const GgufArchitecture& architecture)
      : gguf_(gguf), architecture_(architecture), prefix_(std::string(architecture.name) + '.') {}

  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  bool has(std::string_view name) const { return gguf_.metadata.find(key(name)) != nullptr; }

  std::optional<int64_t> integer(std::string_view name) const {
    return gguf_.metadata.integer(key(name));
  }
  std::optional<double> number(std::string_view name) const {
    const GgufValue* value = gguf_.metadata.find(key(name));
    if (value == nullptr) return std::nullopt;
    if (const auto* number = std::get_if<double>(value)) return *number;
    return static_cast<double>(*integer(name));
  }
  std::optional<std::string_view> string(std::string_view name) const {
    return gguf_.metadata.string(key(name));
  }
  [[noreturn]] void refuse(std::string_view name, std::string_view expected) const {
    gguf_.metadata.refuse(key(name), expected);
  }

  // All of them, under the keys of config.json where they have one there.
  json as_config() const {
    json config = json::object();
    for (const auto& [key, value] : gguf_.metadata.values()) {
      if (!key.starts_with(prefix_)) continue;
      const std::string_view name = key.substr(prefix_.size());
      const GgufKey* known = find_gguf_key(architecture_, name);
      if (known != nullptr && known->config == nullptr) continue;
      config[known != nullptr ? known->config : std::string(name)] = json_of(value);
    }
    return config;
  }

 private:
  const Gguf& gguf_;
  const GgufArchitecture& architecture_;
  std::string prefix_;
};

// The elements of a small fp32 tensor; nothing where there is none.
std::optional<std::vector<float>> read_vector(const Gguf& gguf, const std::string& name) {
  const auto found = gguf.tensors.find(name);
  if (found == gguf.tensors.end()) return std::nullopt;
  const StoredTensor& tensor = found->second;
  require(tensor.shape.size() == 1 && tensor.type_name == "F32", tensor.file->path().string(), ": ",
          name, ": expected a vector of F32");
  std::vector<float> values(static_cast<size_t>(tensor.shape[0]));
  std::memcpy(values.data(), tensor.data, values.size() * sizeof(float));
  return values;
}

// Factors of the frequencies, which files have as tensors: of Llama 3.1 for all positions, of
// Phi-3 for short and for long texts.
void read_rope_factors(const Gguf& gguf, const ModelValues& values, json& config) {
  auto short_factors = read_vector(gguf, "rope_factors_short.weight");
  auto long_factors = read_vector(gguf, "rope_factors_long.weight");
  if (const auto factors = read_vector(gguf, "rope_freqs.weight")) {
    short_factors = long_factors = factors;
  }
  if (!short_factors && !long_factors) return;
  require(short_factors && long_factors, gguf.metadata.file_name(),
          ": expected both rope_factors_short.weight and rope_factors_long.weight, got one");
  config["rope_scaling"] = {
      {"rope_type", "longrope"},
      {"short_factor", *short_factors},
      {"long_factor", *long_factors},
      {"attention_factor", values.number("rope.scaling.attn_factor").value_or(1.0)}};
  // Without a word about it, there is one list for all positions.
  const json& positions = config.value("max_position_embeddings", json());
  const auto original = values.integer("rope.scaling.original_context_length");
  config["original_max_position_embeddings"] = original ? json(*original) : positions;
}

void read_rope_scaling(const Gguf& gguf, const ModelValues& values, json& config) {
  const std::string type(values.string("rope.scaling.type").value_or(""));
  const auto legacy_factor = values.number("rope.scale_linear");
  const auto factor = values.number("rope.scaling.factor");
  if (type == "linear" || (type.empty() && (factor || legacy_factor))) {
    config["rope_scaling"] = {{"rope_type", "linear"},
                              {"factor", factor.value_or(legacy_factor.value_or(1.0))}};
  } else if (type == "yarn") {
    json scaling = {{"rope_type", "yarn"}, {"factor", factor.value_or(1.0)}};
    if (const auto original = values.integer("rope.scaling.original_context_length")) {
      scaling["original_max_position_embeddings"] = *original;
    }
    if (const auto beta = values.number("rope.scaling.yarn_beta_fast"))
      scaling["beta_fast"] = *beta;
    if (const auto beta = values.number("rope.scaling.yarn_beta_slow"))
      scaling["beta_slow"] = *beta;
    if (const auto attention = values.number("rope.scaling.attn_factor")) {
      // llama.cpp multiplies by it what the paper gives.
      scaling["attention_factor"] = *attention * (1.0 + 0.1 * std::log(factor.value_or(1.0)));
    }
    config["rope_scaling"] = std::move(scaling);
  } else if (!type.empty() && type != "none" && type != "longrope") {
    values.refuse("rope.scaling.type", concat("none, linear, yarn or longrope, got \"", type, '"'));
  }
  read_rope_factors(gguf, values, config);
}

// What llama.cpp takes for a value that is not there, where config.json's readers take another.
void fill_defaults(const GgufArchitecture& architecture, json& config) {
  const auto name_of = [&](std::string_view key) {
    return find_gguf_key(architecture, key)->config;
  };
  const char* const kv_heads = name_of("attention.head_count_kv");
  const char* const heads = name_of("attention.head_count");
  if (kv_heads != nullptr && !config.contains(kv_heads) && config.contains(heads)) {
    config[kv_heads] = config[heads];
  }
  // Null stands for hidden_size / num_heads.
  const char* const head_dim = name_of("attention.key_length");
  if (head_dim != nullptr && !config.contains(head_dim)) config[head_dim] = nullptr;
}

json config_json(const Gguf& gguf, const GgufArchitecture& architecture) {
  const ModelValues values(gguf, architecture);
  json config = values.as_config();
  config["model_type"] = architecture.model_type;
  const auto embedding = gguf.tensors.find("token_embd.weight");
  require(embedding != gguf.tensors.end() && embedding->second.shape.size() == 2,
          gguf.metadata.file_name(),
          ": token_embd.weight: expected a matrix, got none; the file holds no model (a vocabulary "
          "alone?)");
  config["vocab_size"] = embedding->second.shape[0];
  config["tie_word_embeddings"] = !gguf.tensors.contains("output.weight");
  if (const int64_t experts = values.integer("expert_count").value_or(0); experts != 0) {
    if (!architecture.may_have_experts) {
      values.refuse("expert_count", "0: no experts are known of this architecture");
    }
    config["num_local_experts"] = experts;
    if (const auto used = values.integer("expert_used_count")) {
      config["num_experts_per_tok"] = *used;
    }
  }
  const auto key_length = values.integer("attention.key_length");
  const auto value_length = values.integer("attention.value_length");
  if (key_length && value_length && *key_length != *value_length) {
    values.refuse("attention.value_length",
                  concat("the ", *key_length, " of attention.key_length"));
  }
  fill_defaults(architecture, config);
  read_rope_scaling(gguf, values, config);
  if (architecture.finish != nullptr) architecture.finish(config, gguf);
  return config;
}

// Where GGUF has its own idea of what is stored.
void settle_conventions(const ModelValues& values, ModelConfig& config) {
  // Norms' weights are stored as they multiply: Gemma's have the 1 in them.
  config.norm.weight_offset = 0;
  for (LayerConfig& layer : config.layer_kinds) {
    AttentionConfig& attention = layer.attention;
    attention.qk_norm_config.weight_offset = 0;
    if (attention.rope.rotary_dim > 0) {
      attention.rope.rotary_dim =
          values.integer("rope.dimension_count").value_or(attention.head_dim);
    }
  }
}

// Any of these ends a text: of it, of a turn, of a message.
constexpr std::string_view kEndKeys[] = {
    "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};

void read_token_ids(const GgufMetadata& metadata, ModelConfig& config,
                    std::vector<std::string>& warnings) {
  const auto read_id = [&](std::string_view key) -> std::optional<int32_t> {
    const auto id = metadata.integer(key);
    if (!id) return std::nullopt;
    if (*id >= 0 && *id < config.vocab_size) return static_cast<int32_t>(*id);
    warnings.push_back(concat(metadata.file_name(), ": ", key, ": ", *id,
                              " is outside the vocabulary of ", config.vocab_size,
                              " tokens and is not used"));
    return std::nullopt;
  };
  // Those of the family, where the file says nothing.
  std::erase_if(config.eos_token_ids, [&](int32_t id) { return id >= config.vocab_size; });
  if (config.bos_token_id && *config.bos_token_id >= config.vocab_size) config.bos_token_id.reset();
  if (metadata.find("tokenizer.ggml.bos_token_id") != nullptr) {
    config.bos_token_id = read_id("tokenizer.ggml.bos_token_id");
  }
  if (metadata.find(kEndKeys[0]) == nullptr) return;
  std::set<int32_t> ends;
  for (const std::string_view key : kEndKeys) {
    if (const auto id = read_id(key)) ends.insert(*id);
  }
  config.eos_token_ids.assign(ends.begin(), ends.end());
}

}  // namespace

Checkpoint open_gguf(const std::filesystem::path& path, const ConfigPolicy& policy) {
  const Gguf gguf = read_gguf(path);
  const GgufArchitecture& architecture = architecture_of(gguf.metadata);
  json document = config_json(gguf, architecture);
  for (const std::string& key : policy.ignored) document.erase(key);
  JsonObject source(std::move(document), path.string() + ": metadata");
  const std::string model_type = source.string("model_type");
  const Family* family = find_family(model_type);
  require(family != nullptr, "internal error: no family ", model_type);
  Checkpoint checkpoint;
  checkpoint.format = concat("GGUF version ", gguf.version);
  checkpoint.tokenizer_directory = path;
  ModelConfig& config = checkpoint.config;
  config = family->read_config(source);
  config.family = model_type;
  source.ignore({"model_type"});
  source.settle_unknown_keys(policy, checkpoint.warnings);
  settle_conventions(ModelValues(gguf, architecture), config);
  read_token_ids(gguf.metadata, config, checkpoint.warnings);
  validate(config, path.string());
  bind_tensors(checkpoint, gguf.tensors, gguf_names(architecture), path.string());
  return checkpoint;
}

}  // namespace eet
