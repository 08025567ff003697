#include "tokenizer/models/word_level.h"

#include <utility>

#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

class WordLevel final : public Model {
 public:
  WordLevel(Vocabulary vocabulary, std::string unk_token)
      : Model(std::move(vocabulary)), unk_token_(std::move(unk_token)) {
    unk_id_ = this->vocabulary().find(unk_token_);
  }

  void encode(std::string_view word, std::vector<int32_t>& ids) const override {
    const std::optional<int32_t> id = vocabulary().find(word);
    if (!id && !unk_id_) {
      throw TokenizerError("text: \"" + std::string(word.substr(0, 80)) +
                           "\" is not in the vocabulary, which has no unknown token \"" +
                           unk_token_ + "\" either");
    }
    ids.push_back(id ? *id : *unk_id_);
  }

  std::string_view name() const override { return "WordLevel"; }

 private:
  std::string unk_token_;
  std::optional<int32_t> unk_id_;
};

}  // namespace

std::unique_ptr<Model> read_word_level(const JsonView& model) {
  Vocabulary vocabulary(read_vocab(model["vocab"]), model.where());
  return std::make_unique<WordLevel>(std::move(vocabulary), model["unk_token"].string());
}

}  // namespace eet
