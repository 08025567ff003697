// The architectures of GGUF files, as what they are called in config.json: each is a row of a
// table, read by the reader of its family.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "weights_tools/formats/gguf.h"
#include "weights_tools/tensor_sources.h"

namespace eet {

// A key behind "ARCHITECTURE." in the metadata and the one in config.json, null where it has none.
struct GgufKey {
  std::string_view gguf;
  const char* config = nullptr;
};

struct GgufArchitecture {
  std::string_view name;                          // general.architecture
  const char* model_type;                         // of config.json, unless `finish` sets another
  std::span<const GgufKey> keys = {};             // come before the common ones
  SourceLayout qkv_layout = SourceLayout::kSame;  // of q, k and v stored apart
  void (*finish)(nlohmann::json& config, const Gguf&) = nullptr;  // what no key says
  void (*add_names)(NameMap&) = nullptr;                          // of tensors that others lack
  bool may_have_experts = false;
};

// The architecture with this name, or null.
const GgufArchitecture* find_gguf_architecture(std::string_view name);

// "llama, qwen2, ...": for messages.
std::string known_gguf_architectures();

// The key of config.json for one behind "ARCHITECTURE."; null where nothing is known of it.
const GgufKey* find_gguf_key(const GgufArchitecture& architecture, std::string_view key);

// The names of tensors are the same for all architectures.
NameMap gguf_names(const GgufArchitecture& architecture);

}  // namespace eet
