// The pre-tokenizers of tokenizer.json: they cut text into words, which the model takes one by one.
#pragma once

#include <memory>
#include <vector>

#include "tokenizer/json_view.h"
#include "tokenizer/pipeline/words.h"

namespace eet {

// One step. Immutable: any number of threads may use one.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;

  // Replaces the list of words by what becomes of each.
  virtual void apply(Words& words) const = 0;
};

struct PreTokenizers {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  // The words that come out are bytes and still have to be written in the byte alphabet, which the
  // file's last step, a ByteLevel, does: the model's cache may then be asked first.
  bool writes_byte_alphabet = false;
};

// `pre_tokenizer` of a tokenizer.json; null means none. TokenizerError names what is not supported.
PreTokenizers read_pre_tokenizers(const JsonView& pre_tokenizer);

}  // namespace eet
