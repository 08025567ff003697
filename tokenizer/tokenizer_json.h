// The files that describe a pipeline: tokenizer.json, or GPT-2's pair.
#pragma once

#include <filesystem>

#include "tokenizer/json_view.h"
#include "tokenizer/pipeline_tokenizer.h"
#include "tokenizer/tokenizer_config.h"

namespace eet {

// Reads a tokenizer.json, which alone says all. What is not supported is refused by name
// (TokenizerError). Of `config` only tokens are used: transformers ignores its flags beside this
// file.
PipelineSpec read_tokenizer_json(const JsonView& tokenizer_json, const TokenizerConfig& config);

// The same from GPT-2's pair of files, which leave the rest to the tokenizer's class.
PipelineSpec read_vocab_and_merges(const std::filesystem::path& vocab_path,
                                   const std::filesystem::path& merges_path,
                                   const TokenizerConfig& config);

}  // namespace eet
