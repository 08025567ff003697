#include "tokenizer/models/model.h"

#include "tokenizer/models/bpe.h"
#include "tokenizer/models/unigram.h"
#include "tokenizer/models/word_level.h"

namespace eet {
namespace {

// Older files do not name the model's type.
std::string type_of(const JsonView& model) {
  const JsonView type = model["type"];
  if (!type.is_null()) return type.string();
  if (model["merges"].is_null() && !model["vocab"].is_null()) {
    type.fail("BPE, Unigram or WordLevel", "this model is not supported");
  }
  return "BPE";
}

}  // namespace

std::unique_ptr<Model> read_model(const JsonView& model) {
  const std::string type = type_of(model);
  if (type == "BPE") return read_bpe(model);
  if (type == "Unigram") return read_unigram(model);
  if (type == "WordLevel") return read_word_level(model);
  model["type"].fail("the model BPE, Unigram or WordLevel", "this tokenizer is not supported");
}

std::vector<std::pair<std::string, int32_t>> read_vocab(const JsonView& vocab) {
  std::vector<std::pair<std::string, int32_t>> tokens;
  tokens.reserve(vocab.object().size());
  for (const auto& [token, id] : vocab.object()) {
    const bool fits = id.is_number_integer() && id >= 0 && id <= kMaxTokenId;
    if (!fits) vocab[token.c_str()].token_id();  // says what is wrong
    tokens.emplace_back(token, id.get<int32_t>());
  }
  return tokens;
}

}  // namespace eet
