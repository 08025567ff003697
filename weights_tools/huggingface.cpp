#include "weights_tools/huggingface.h"

#include <nlohmann/json.hpp>

#include "lib/core/error.h"
#include "weights_tools/families.h"
#include "weights_tools/json_object.h"
#include "weights_tools/safetensors.h"
#include "weights_tools/tensor_sources.h"

namespace eet {
namespace {

using nlohmann::json;

// Keys that transformers writes for every family. Those that would change the model are understood
// only with the value that does not.
void read_common_keys(JsonObject& config) {
  config.expect("add_cross_attention", false);
  config.expect("is_encoder_decoder", false);
  config.expect("pruned_heads", json::object());
  // Where it came from, how to compute or train it, and how to present outputs.
  config.ignore({"_name_or_path", "architectures", "model_type", "transformers_version",
                 "torch_dtype", "dtype", "use_cache", "gradient_checkpointing", "torchscript",
                 "use_bfloat16", "chunk_size_feed_forward", "is_decoder", "return_dict",
                 "output_attentions", "output_hidden_states", "tokenizer_class",
                 "_attn_implementation", "_attn_implementation_autoset"});
  // Of other tasks.
  config.ignore({"finetuning_task", "id2label", "label2id", "num_labels", "problem_type", "prefix",
                 "task_specific_params", "cross_attention_hidden_size", "tie_encoder_decoder",
                 "decoder_start_token_id", "sep_token_id", "pad_token_id"});
  // Generation defaults that old versions kept here: a job states its own.
  config.ignore({"max_length",
                 "min_length",
                 "do_sample",
                 "early_stopping",
                 "num_beams",
                 "num_beam_groups",
                 "diversity_penalty",
                 "temperature",
                 "top_k",
                 "top_p",
                 "typical_p",
                 "repetition_penalty",
                 "length_penalty",
                 "no_repeat_ngram_size",
                 "encoder_no_repeat_ngram_size",
                 "bad_words_ids",
                 "num_return_sequences",
                 "output_scores",
                 "return_dict_in_generate",
                 "forced_bos_token_id",
                 "forced_eos_token_id",
                 "remove_invalid_values",
                 "exponential_decay_length_penalty",
                 "suppress_tokens",
                 "begin_suppress_tokens"});
}

// An id, a list of ids, or nothing.
std::vector<int64_t> read_ids(JsonObject& config, const std::string& key) {
  const json& value = config.value(key);
  std::vector<int64_t> ids;
  if (value.is_null()) return ids;
  for (const json& id : value.is_array() ? value : json::array({value})) {
    if (!id.is_number_integer()) config.refuse(key, "a token id or a list of token ids");
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

// Replaces the ids in `config` by those that `source` mentions.
void read_token_ids(ModelConfig& config, JsonObject& source, bool null_means_none,
                    std::vector<std::string>& warnings) {
  const auto in_vocabulary = [&](const std::string& key, int64_t id) {
    const bool known = id >= 0 && id < config.vocab_size;
    if (!known) {
      warnings.push_back(concat(source.file(), ": ", key, ": ", id,
                                " is outside the vocabulary of ", config.vocab_size,
                                " tokens and is not used"));
    }
    return known;
  };
  const auto mentioned = [&](const char* key) {
    return null_means_none ? source.contains(key) : source.has(key);
  };
  if (mentioned("bos_token_id")) {
    config.bos_token_id.reset();
    for (int64_t id : read_ids(source, "bos_token_id")) {
      if (in_vocabulary("bos_token_id", id)) config.bos_token_id = static_cast<int32_t>(id);
    }
  }
  if (mentioned("eos_token_id")) {
    config.eos_token_ids.clear();
    for (int64_t id : read_ids(source, "eos_token_id")) {
      if (in_vocabulary("eos_token_id", id)) {
        config.eos_token_ids.push_back(static_cast<int32_t>(id));
      }
    }
  }
}

void drop_defaults_outside_vocabulary(ModelConfig& config) {
  const auto outside = [&](int32_t id) { return id >= config.vocab_size; };
  if (config.bos_token_id && outside(*config.bos_token_id)) config.bos_token_id.reset();
  std::erase_if(config.eos_token_ids, outside);
}

const Family& family_of(JsonObject& config) {
  const Family* family = find_family(config.string("model_type"));
  if (family == nullptr) config.refuse("model_type", "one of " + known_model_types());
  return *family;
}

}  // namespace

ModelConfig read_huggingface_config(const std::filesystem::path& path,
                                    const std::filesystem::path& generation_config,
                                    std::vector<std::string>& warnings) {
  JsonObject source = JsonObject::read(path);
  ModelConfig config = family_of(source).read_config(source);
  read_common_keys(source);
  drop_defaults_outside_vocabulary(config);
  source.ignore({"bos_token_id", "eos_token_id"});
  read_token_ids(config, source, /*null_means_none=*/true, warnings);
  source.refuse_unknown_keys();
  if (std::filesystem::exists(generation_config)) {
    JsonObject generation = JsonObject::read(generation_config);
    read_token_ids(config, generation, /*null_means_none=*/false, warnings);
  }
  validate(config, path.string());
  return config;
}

Checkpoint open_huggingface(const std::filesystem::path& directory) {
  Checkpoint checkpoint;
  checkpoint.format = "Hugging Face safetensors";
  checkpoint.config = read_huggingface_config(
      directory / "config.json", directory / "generation_config.json", checkpoint.warnings);
  checkpoint.tokenizer_directory = directory;
  const Family* family = find_family(checkpoint.config.family);
  bind_tensors(checkpoint, read_safetensors_directory(directory),
               family->name_map(checkpoint.config), directory.string());
  return checkpoint;
}

}  // namespace eet
