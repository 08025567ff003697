// What transformers' tokenizer classes know without a file.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eet {

// {"bos_token", "<s>"}, ...: the tokens with a role that `tokenizer_class` (without "Fast") has
// unless a file says otherwise. Empty for a class that has none, or is not known here.
std::vector<std::pair<std::string, std::string>> default_special_tokens(
    std::string_view tokenizer_class);

// The tokenizer class of models of the `model_type` of a config.json; empty where it is
// transformers' general one.
std::string_view default_tokenizer_class(std::string_view model_type);

}  // namespace eet
