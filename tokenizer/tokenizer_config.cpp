#include "tokenizer/tokenizer_config.h"

#include <charconv>
#include <utility>

#include "tokenizer/class_defaults.h"
#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

std::optional<bool> optional_boolean(const JsonView& value) {
  if (value.is_null()) return std::nullopt;
  return value.boolean();
}

// "added_tokens_decoder": {"128000": {"content": ...}, ...}
void read_added_tokens_decoder(const JsonView& decoder, std::vector<AddedToken>& tokens) {
  if (decoder.is_null()) return;
  for (const auto& [key, value] : decoder.object()) {
    const JsonView entry = decoder[key.c_str()];
    AddedToken token = read_added_token(entry);
    const char* end = key.data() + key.size();
    const auto [parsed, error] = std::from_chars(key.data(), end, token.id);
    if (error != std::errc() || parsed != end || token.id < 0 || token.id > kMaxTokenId) {
      entry.fail("a token id up to " + std::to_string(kMaxTokenId) + " as the key");
    }
    tokens.push_back(std::move(token));
  }
}

// added_tokens.json: {"<|im_end|>": 32000, ...}, without flags.
void read_added_tokens_file(const JsonView& file, std::vector<AddedToken>& tokens) {
  for (const auto& [content, id] : file.object()) {
    AddedToken token;
    token.content = content;
    token.id = file[content.c_str()].token_id();
    tokens.push_back(std::move(token));
  }
}

std::string without_fast(std::string name) {
  if (name.ends_with("Fast") && name != "PreTrainedTokenizerFast") name.resize(name.size() - 4);
  return name;
}

// The class that transformers takes, given what tokenizer_config.json names.
std::string class_of_model(std::string named, const std::filesystem::path& directory) {
  std::string model_type;
  const auto path = directory / "config.json";
  if (std::filesystem::exists(path)) {
    const nlohmann::json document = read_json_file(path);
    const JsonView file(document, path.string());
    const JsonView type = file["model_type"];
    const JsonView named_there = file["tokenizer_class"];
    if (type.is_string()) model_type = type.string();
    if (named.empty() && named_there.is_string()) named = without_fast(named_there.string());
  }
  // The general class is for tokenizer.json alone.
  if (!std::filesystem::exists(directory / "tokenizer.json") && !named.empty()) return named;
  return std::string(reference_class(named, model_type));
}

void read_named_token(const JsonView& file, const char* role, NamedToken& named,
                      std::vector<AddedToken>& special_tokens) {
  if (named.declared || !file.object().contains(role)) return;
  named.declared = true;
  const JsonView value = file[role];
  if (value.is_null()) return;
  named.token = read_added_token(value);
  named.token->special = true;
  special_tokens.push_back(*named.token);
}

void read_special_tokens(const JsonView& file, TokenizerConfig& config) {
  read_named_token(file, "bos_token", config.bos, config.special_tokens);
  read_named_token(file, "eos_token", config.eos, config.special_tokens);
  read_named_token(file, "unk_token", config.unk, config.special_tokens);
  for (const char* role : {"pad_token", "sep_token", "cls_token", "mask_token"}) {
    NamedToken named;
    read_named_token(file, role, named, config.special_tokens);
  }
  for (const char* role : {"additional_special_tokens", "extra_special_tokens"}) {
    const JsonView list = file[role];
    if (list.is_null() || list.is_object()) continue;  // an object names tokens listed elsewhere
    for (size_t i = 0; i < list.array().size(); ++i) {
      config.special_tokens.push_back(read_added_token(list.at(i)));
      config.special_tokens.back().special = true;
    }
  }
}

}  // namespace

AddedToken read_added_token(const JsonView& entry) {
  AddedToken token;
  if (entry.is_string()) {
    token.content = entry.string();
    return token;
  }
  token.content = entry["content"].string();
  token.special = entry["special"].boolean_or(false);
  token.single_word = entry["single_word"].boolean_or(false);
  token.lstrip = entry["lstrip"].boolean_or(false);
  token.rstrip = entry["rstrip"].boolean_or(false);
  token.normalized = entry["normalized"].boolean_or(!token.special);
  return token;
}

TokenizerConfig read_tokenizer_config(const JsonView& file) {
  TokenizerConfig config;
  config.present = true;
  config.tokenizer_class = without_fast(file["tokenizer_class"].string_or(""));
  config.add_bos_token = optional_boolean(file["add_bos_token"]);
  config.add_eos_token = optional_boolean(file["add_eos_token"]);
  config.add_prefix_space = optional_boolean(file["add_prefix_space"]);
  config.legacy = optional_boolean(file["legacy"]);
  if (file["split_special_tokens"].boolean_or(false)) {
    file["split_special_tokens"].fail("false", "encode the special tokens' text by hand");
  }
  read_added_tokens_decoder(file["added_tokens_decoder"], config.added_tokens);
  read_special_tokens(file, config);
  return config;
}

TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory) {
  TokenizerConfig config;
  const auto config_path = directory / "tokenizer_config.json";
  if (std::filesystem::exists(config_path)) {
    const nlohmann::json document = read_json_file(config_path);
    config = read_tokenizer_config(JsonView(document, config_path.string()));
  }
  config.tokenizer_class = class_of_model(std::move(config.tokenizer_class), directory);
  // Files of older versions, which added_tokens_decoder stands for.
  const bool is_complete = !config.added_tokens.empty();
  const auto map_path = directory / "special_tokens_map.json";
  if (!is_complete && std::filesystem::exists(map_path)) {
    const nlohmann::json document = read_json_file(map_path);
    read_special_tokens(JsonView(document, map_path.string()), config);
  }
  const auto added_path = directory / "added_tokens.json";
  if (!is_complete && std::filesystem::exists(added_path)) {
    const nlohmann::json document = read_json_file(added_path);
    read_added_tokens_file(JsonView(document, added_path.string()), config.added_tokens);
  }
  return config;
}

}  // namespace eet
