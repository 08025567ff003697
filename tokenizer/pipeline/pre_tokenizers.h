// The pre-tokenizers of tokenizer.json: they cut text into words, which the model takes one by one.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "tokenizer/json_view.h"
#include "tokenizer/pipeline/words.h"

namespace eet {

// One step. Immutable: any number of threads may use one.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;

  // Hands what becomes of `word`, in order, to `sink`.
  virtual void apply(const Word& word, WordSink sink) const = 0;
};

struct PreTokenizers {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  // The words that come out are bytes and still have to be written in the byte alphabet, which the
  // file's last step, a ByteLevel, does: the model's cache may then be asked first.
  bool writes_byte_alphabet = false;

  // Hands the words that become of `text` to `sink`, none of them empty. Words are never listed:
  // there may be as many as bytes.
  void apply(const Word& text, WordSink sink) const { apply_from(0, text, sink); }

 private:
  void apply_from(size_t step, const Word& word, WordSink sink) const;
};

// `pre_tokenizer` of a tokenizer.json; null means none. TokenizerError names what is not supported.
PreTokenizers read_pre_tokenizers(const JsonView& pre_tokenizer);

}  // namespace eet
