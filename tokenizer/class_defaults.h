// What transformers' tokenizer classes know without a file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/tokenizer_config.h"

namespace eet {

// {"bos_token", "<s>"}, ...: the tokens with a role that `tokenizer_class` (without "Fast") has
// unless a file says otherwise. Empty for a class that has none, or is not known here.
std::vector<std::pair<std::string, std::string>> default_special_tokens(
    std::string_view tokenizer_class);

// The class that AutoTokenizer takes for a model of `model_type` (of config.json; may be empty)
// whose files name `named_class` (without "Fast"; may be empty). Where models of a type are known
// to name a wrong one, it is the general class TokenizersBackend, which obeys tokenizer.json.
std::string_view reference_class(std::string_view named_class, std::string_view model_type);

// `normalizer`, `pre_tokenizer` and `decoder`, as in a tokenizer.json, that a class brings along;
// null where it has none or is not known here.
nlohmann::json class_pipeline(const TokenizerConfig& config);

}  // namespace eet
