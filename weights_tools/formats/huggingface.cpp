#include "weights_tools/formats/huggingface.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "lib/core/error.h"
#include "weights_tools/families/family.h"
#include "weights_tools/formats/mxfp4.h"
#include "weights_tools/formats/safetensors.h"
#include "weights_tools/json_object.h"
#include "weights_tools/tensor_sources.h"

namespace eet {
namespace {

using nlohmann::json;

// Of models that have a text model among their parts.
constexpr std::initializer_list<const char*> kKeysOfOtherParts = {
    "boi_token_index", "eoi_token_index",     "image_token_index", "image_token_id", "boi_token_id",
    "eoi_token_id",    "mm_tokens_per_image", "vision_config",     "audio_config"};

// Weights in MXFP4 say so by their tensors too (formats/mxfp4.h).
bool is_mxfp4(JsonObject& config) {
  const json& quantization = config.value("quantization_config");
  return quantization.is_object() && quantization.value("quant_method", json()) == "mxfp4";
}

// Keys of every family that would change the model, understood only with the value that does not.
void read_common_keys(JsonObject& config) {
  config.expect("add_cross_attention", false);
  config.expect("is_encoder_decoder", false);
  config.expect("pruned_heads", json::object());
  if (config.has("quantization_config") || config.has("compression_config")) {
    if (is_mxfp4(config)) return;
    config.refuse("quantization_config",
                  "none or MXFP4: other quantised weights are not supported yet; use the "
                  "unquantised checkpoint");
  }
}

// Under `key`: an id, a list of ids, or nothing. Ids outside the vocabulary get a warning.
std::vector<int32_t> read_ids(JsonObject& source, const std::string& key, int64_t vocab_size,
                              std::vector<std::string>& warnings) {
  const json& value = source.value(key);
  std::vector<int32_t> ids;
  if (value.is_null()) return ids;
  for (const json& id : value.is_array() ? value : json::array({value})) {
    if (!id.is_number_integer()) source.refuse(key, "a token id or a list of token ids");
    if (id >= 0 && id < vocab_size) {
      ids.push_back(id.get<int32_t>());
    } else {
      warnings.push_back(concat(source.file(), ": ", key, ": ", id.dump(),
                                " is outside the vocabulary of ", vocab_size,
                                " tokens and is not used"));
    }
  }
  return ids;
}

// Sets BOS and EOS ids from the file that decides: `generation` where it names them, else
// `source`; where neither does, the family's defaults stay, if the vocabulary has them.
void read_token_ids(ModelConfig& config, JsonObject& source, JsonObject* generation,
                    std::vector<std::string>& warnings) {
  source.ignore({"bos_token_id", "eos_token_id"});
  const auto ids = [&](const std::string& key, std::vector<int32_t> defaults) {
    const bool decided = generation != nullptr && generation->has(key);
    JsonObject& deciding = decided ? *generation : source;
    if (deciding.contains(key)) return read_ids(deciding, key, config.vocab_size, warnings);
    std::erase_if(defaults, [&](int32_t id) { return id >= config.vocab_size; });
    return defaults;
  };
  std::vector<int32_t> bos;
  if (config.bos_token_id) bos.push_back(*config.bos_token_id);
  bos = ids("bos_token_id", std::move(bos));
  config.bos_token_id = bos.empty() ? std::nullopt : std::optional(bos.front());
  config.eos_token_ids = ids("eos_token_id", std::move(config.eos_token_ids));
}

const Family& family_of(JsonObject& config) {
  const Family* family = find_family(config.string("model_type"));
  if (family != nullptr) return *family;
  const std::string_view missing = missing_feature(config.string("model_type"));
  config.refuse("model_type", concat(missing.empty() ? "" : "a model without ", missing,
                                     missing.empty() ? "" : ", which is not supported: ", "one of ",
                                     known_model_types()));
}

}  // namespace

ModelConfig read_huggingface_config(const std::filesystem::path& path,
                                    const std::filesystem::path& generation_config,
                                    const ConfigPolicy& policy,
                                    std::vector<std::string>& warnings) {
  JsonObject source = JsonObject::read(path, policy);
  const Family& family = family_of(source);
  std::optional<JsonObject> text;
  if (family.is_text_part) text = source.object("text_config");
  ModelConfig config = family.read_config(text ? *text : source);
  config.family = source.string("model_type");
  if (text) {
    config.tie_word_embeddings = source.boolean_or("tie_word_embeddings", true);
    read_common_keys(*text);
    source.ignore(kKeysOfOtherParts);
  }
  read_common_keys(source);
  std::optional<JsonObject> generation;
  if (std::filesystem::exists(generation_config)) {
    generation = JsonObject::read(generation_config);
  }
  if (text) {
    text->ignore({"model_type"});
    read_token_ids(config, *text, nullptr, warnings);
    text->settle_unknown_keys(policy, warnings);
  }
  read_token_ids(config, source, generation ? &*generation : nullptr, warnings);
  source.settle_unknown_keys(policy, warnings);
  validate(config, path.string());
  return config;
}

Checkpoint open_huggingface(const std::filesystem::path& directory, const ConfigPolicy& policy) {
  Checkpoint checkpoint;
  checkpoint.format = "Hugging Face safetensors";
  checkpoint.config = read_huggingface_config(
      directory / "config.json", directory / "generation_config.json", policy, checkpoint.warnings);
  checkpoint.tokenizer_directory = directory;
  const Family* family = find_family(checkpoint.config.family);
  StoredTensors tensors = read_safetensors_directory(directory);
  join_mxfp4(tensors);
  bind_tensors(checkpoint, tensors, family->name_map(checkpoint.config), directory.string());
  return checkpoint;
}

}  // namespace eet
