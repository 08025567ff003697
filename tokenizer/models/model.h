// What turns words into ids: the `model` of a tokenizer.json.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/json_view.h"
#include "tokenizer/models/vocabulary.h"

namespace eet {

// Immutable: any number of threads may use one.
class Model {
 public:
  explicit Model(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  virtual ~Model() = default;

  // Appends the ids of `word`, which is not empty. TokenizerError where the vocabulary lacks
  // something and has no unknown token.
  virtual void encode(std::string_view word, std::vector<int32_t>& ids) const = 0;

  virtual std::string_view name() const = 0;  // "BPE"

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  Vocabulary vocabulary_;
};

// `model` of a tokenizer.json. TokenizerError names what is not supported or contradicts itself.
std::unique_ptr<Model> read_model(const JsonView& model);

// {"token": id, ...}
std::vector<std::pair<std::string, int32_t>> read_vocab(const JsonView& vocab);

}  // namespace eet
