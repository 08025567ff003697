// tokenizer.json, the file of Hugging Face tokenizers.
#pragma once

#include <filesystem>

#include "tokenizer/byte_level_bpe.h"
#include "tokenizer/json_view.h"
#include "tokenizer/tokenizer_config.h"

namespace eet {

// Whether the file describes byte-level BPE (and not, for instance, a converted SentencePiece
// model).
bool is_byte_level(const JsonView& tokenizer_json);

// Reads a byte-level BPE tokenizer. A model, normalizer, pre-tokenizer, post-processor or decoder
// that is not understood is refused by name (TokenizerError).
ByteLevelBpeSpec read_tokenizer_json(const JsonView& tokenizer_json, const TokenizerConfig& config);

// The same from GPT-2's pair of files, which leave the rest to the tokenizer's class.
ByteLevelBpeSpec read_vocab_and_merges(const std::filesystem::path& vocab_path,
                                       const std::filesystem::path& merges_path,
                                       const TokenizerConfig& config);

// The added tokens that the file lists.
std::vector<AddedToken> read_added_tokens(const JsonView& tokenizer_json);

}  // namespace eet
