// Byte-pair encoding over characters; of byte-level vocabularies every character is a byte.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/models/model.h"

namespace eet {

struct BpeOptions {
  std::string file;                                         // for messages
  std::vector<std::pair<std::string, std::string>> merges;  // first goes first
  std::optional<std::string> unk_token;  // for characters that the vocabulary lacks; none: left out
  bool fuse_unk = false;                 // one for a run of them
  bool byte_fallback = false;            // before that, tokens <0xHH> for the bytes
  bool ignore_merges = false;            // a word that is in the vocabulary is one id
  std::string continuing_subword_prefix;  // of every character but a word's first
  std::string end_of_word_suffix;         // of its last
};

// TokenizerError, naming the file, for merges that contradict the vocabulary.
std::unique_ptr<Model> make_bpe(Vocabulary vocabulary, BpeOptions options);

// A model of the type BPE.
std::unique_ptr<Model> read_bpe(const JsonView& model);

// "left right", as a line of merges. `where` names it in messages.
std::pair<std::string, std::string> split_merge(const std::string& line, const std::string& where);

}  // namespace eet
