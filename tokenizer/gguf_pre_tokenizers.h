// How byte-level BPE cuts words, by llama.cpp's names for it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace eet {

struct GgufPreTokenizer {
  nlohmann::json normalizer;     // as in a tokenizer.json
  nlohmann::json pre_tokenizer;  // likewise
  bool ignore_merges = false;    // a word of the vocabulary is one token, whatever merges say
  bool adds_bos = false;         // unless the file says otherwise
};

// What tokenizer.ggml.pre stands for: what the tokenizer.json of the models has that llama.cpp
// gives this name to. Throws TokenizerError, which begins with `where`, on a name not known here.
GgufPreTokenizer find_gguf_pre_tokenizer(std::string_view name, const std::string& where);

}  // namespace eet
