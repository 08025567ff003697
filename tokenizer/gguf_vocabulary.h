// Tokenizers as GGUF files describe them (tokenizer.ggml.* in the metadata), turned into the files
// that a Hugging Face folder holds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace eet {

// The metadata as plain data. Views point into whatever holds the file.
struct GgufVocabulary {
  std::string file;          // for messages
  std::string architecture;  // general.architecture
  std::string model;  // tokenizer.ggml.model: "llama" is SentencePiece's BPE, "gpt2" byte-level BPE
  std::string pre;    // tokenizer.ggml.pre, which names how byte-level BPE cuts words
  std::vector<std::string_view> tokens;  // by id
  std::vector<double> scores;            // of "llama": by id
  std::vector<int64_t> types;            // by id, llama_token_type; empty: all normal
  std::vector<std::string_view> merges;  // of "gpt2"
  std::optional<int64_t> bos_id;
  std::optional<int64_t> eos_id;
  std::optional<int64_t> unk_id;
  std::optional<int64_t> pad_id;
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
  std::optional<bool> add_space_prefix;
  std::optional<bool> remove_extra_whitespaces;
  std::string chat_template;  // empty where there is none
};

// A file that is not written yet.
struct TextFile {
  std::string name;
  std::string contents;
};

// tokenizer.model or tokenizer.json, and tokenizer_config.json: load_tokenizer and
// ChatTemplate::load take a folder that holds them for the same tokenizer. Throws TokenizerError,
// which names the metadata's key, on a kind of tokenizer or a way to cut words that is not
// supported.
std::vector<TextFile> tokenizer_files(const GgufVocabulary& vocabulary);

std::unique_ptr<Tokenizer> load_tokenizer(const GgufVocabulary& vocabulary);

// Nothing where the file has no template.
std::optional<ChatTemplate> load_chat_template(const GgufVocabulary& vocabulary);

}  // namespace eet
