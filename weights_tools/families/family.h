// The model families of Hugging Face checkpoints: each is one small file, a table of stored names
// and a reader of config keys.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/model/config.h"
#include "weights_tools/families/config_readers.h"
#include "weights_tools/json_object.h"
#include "weights_tools/tensor_sources.h"

namespace eet {

struct Family {
  std::span<const std::string_view> model_types;  // config.json's model_type
  // Reads every key it understands; the caller refuses the rest. The BOS and EOS ids it sets are
  // those of a config.json that does not mention them; the caller reads the mentioned ones.
  ModelConfig (*read_config)(JsonObject& config);
  NameMap (*name_map)(const ModelConfig& config);
  // The model is the text part of a larger one: what read_config reads is the object text_config.
  bool is_text_part = false;
};

// The family of `model_type`, or null.
const Family* find_family(std::string_view model_type);

// All model types that find_family knows, for messages: "gpt2, llama, ...".
std::string known_model_types();

// What a model of a type that find_family does not know would need, or nothing where the type is
// not known at all: "multi-head latent attention".
std::string_view missing_feature(std::string_view model_type);

}  // namespace eet
