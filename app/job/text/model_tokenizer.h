// The tokenizer and the chat template of a model, whatever form it has: files of its directory, or
// the metadata of a GGUF file.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace eet {

// Whether `path`, a model's directory or file, comes with a tokenizer at all.
bool has_tokenizer(const std::filesystem::path& path);

// The tokenizer there. Throws TokenizerError, or Error on a damaged GGUF file.
std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& path);

// The chat template there, or beside it where `path` is a tokenizer's file. Nothing where there is
// none.
std::optional<ChatTemplate> open_chat_template(const std::filesystem::path& path);

// What a folder needs to have the tokenizer of a GGUF file: names of files, and their contents.
std::map<std::string, std::string> gguf_tokenizer_files(const std::filesystem::path& path);

}  // namespace eet
