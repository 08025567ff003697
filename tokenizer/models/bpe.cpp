#include "tokenizer/models/bpe.h"

#include <array>

#include "tokenizer/models/byte_tokens.h"
#include "tokenizer/models/merge_table.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

class Bpe final : public Model {
 public:
  Bpe(Vocabulary vocabulary, BpeOptions options)
      : Model(std::move(vocabulary)),
        options_(std::move(options)),
        merges_(options_.merges.size()),
        byte_tokens_(this->vocabulary()) {
    read_merges();
    read_characters();
    if (options_.unk_token) unk_id_ = this->vocabulary().find(*options_.unk_token);
  }

  void encode(std::string_view word, std::vector<int32_t>& ids) const override {
    if (options_.ignore_merges) {
      if (const auto whole = vocabulary().find(word)) {
        ids.push_back(*whole);
        return;
      }
    }
    std::vector<int32_t> symbols = first_symbols(word);
    merges_.merge(symbols);
    ids.insert(ids.end(), symbols.begin(), symbols.end());
  }

  std::string_view name() const override { return "BPE"; }

 private:
  void read_merges() {
    uint32_t rank = 0;
    const auto id_of = [&](const std::string& token) {
      const auto id = vocabulary().find(token);
      if (!id) {
        throw TokenizerError(
            options_.file + ": merges: merge " + std::to_string(rank) + ": \"" + token +
            "\" is not in the vocabulary; vocabulary and merges are of two tokenizers");
      }
      return *id;
    };
    const size_t prefix = options_.continuing_subword_prefix.size();
    for (const auto& [left, right] : options_.merges) {
      if (right.size() < prefix) {
        throw TokenizerError(options_.file + ": merges: merge " + std::to_string(rank) + ": \"" +
                             right + "\": expected the prefix \"" +
                             options_.continuing_subword_prefix + "\"");
      }
      const int32_t left_id = id_of(left);
      const int32_t right_id = id_of(right);
      merges_.add(left_id, right_id, rank, id_of(left + right.substr(prefix)));
      ++rank;
    }
    options_.merges.clear();
    options_.merges.shrink_to_fit();
  }

  void read_characters() {
    for (char32_t c = 0; c < characters_.size(); ++c) {
      std::string character;
      append_code_point(character, c);
      characters_[c] = vocabulary().find(character).value_or(-1);
    }
  }

  // The id of a character as a word's symbol before any merge; -1 where the vocabulary lacks it.
  int32_t symbol_id(std::string_view character, char32_t c, bool is_first, bool is_last,
                    std::string& text) const {
    const bool has_prefix = !is_first && !options_.continuing_subword_prefix.empty();
    const bool has_suffix = is_last && !options_.end_of_word_suffix.empty();
    text.clear();
    if (!has_prefix && !has_suffix) {
      if (c < characters_.size()) return characters_[c];
      return vocabulary().find(character).value_or(-1);
    }
    if (has_prefix) text = options_.continuing_subword_prefix;
    text += character;
    if (has_suffix) text += options_.end_of_word_suffix;
    return vocabulary().find(text).value_or(-1);
  }

  std::vector<int32_t> first_symbols(std::string_view word) const {
    std::vector<int32_t> symbols;
    symbols.reserve(word.size());
    std::string decorated;         // with prefix or suffix, if the options have them
    bool has_pending_unk = false;  // it comes before the next character that is known
    for (size_t at = 0; at < word.size();) {
      const size_t begin = at;
      const char32_t c = next_code_point(word, at);
      const std::string_view character = word.substr(begin, at - begin);
      const int32_t id = symbol_id(character, c, begin == 0, at == word.size(), decorated);
      if (id >= 0) {
        if (has_pending_unk) symbols.push_back(*unk_id_);
        has_pending_unk = false;
        symbols.push_back(id);
        continue;
      }
      const std::string_view bytes = decorated.empty() ? character : std::string_view(decorated);
      if (options_.byte_fallback && byte_tokens_.append(bytes, symbols)) continue;
      if (!options_.unk_token) continue;
      if (has_pending_unk && !options_.fuse_unk) symbols.push_back(*unk_id_);
      has_pending_unk = true;
      if (!unk_id_) fail_without_unk(character);
    }
    if (has_pending_unk) symbols.push_back(*unk_id_);
    return symbols;
  }

  [[noreturn]] void fail_without_unk(std::string_view character) const {
    throw TokenizerError("text: \"" + std::string(character) +
                         "\" is not in the vocabulary, which lacks the unknown token \"" +
                         *options_.unk_token + "\" too");
  }

  BpeOptions options_;
  MergeTable merges_;
  ByteTokens byte_tokens_;
  std::array<int32_t, 0x800> characters_{};  // ids of the first ones, -1 where there is none
  std::optional<int32_t> unk_id_;
};

// Both styles: "left right" and ["left", "right"].
std::vector<std::pair<std::string, std::string>> read_merges(const JsonView& merges) {
  const auto& list = merges.array();
  std::vector<std::pair<std::string, std::string>> pairs;
  pairs.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const nlohmann::json& merge = list[i];
    if (merge.is_string()) {
      const auto& line = merge.get_ref<const std::string&>();
      if (!line.starts_with("#version")) pairs.push_back(split_merge(line, merges.at(i).where()));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      pairs.emplace_back(merge[0], merge[1]);
    } else {
      merges.at(i).fail("a pair of tokens");
    }
  }
  return pairs;
}

void require_no_dropout(const JsonView& dropout) {
  if (!dropout.is_null() && dropout.number() != 0.0) {
    dropout.fail("null", "random merges are for training");
  }
}

}  // namespace

std::unique_ptr<Model> make_bpe(Vocabulary vocabulary, BpeOptions options) {
  return std::make_unique<Bpe>(std::move(vocabulary), std::move(options));
}

std::unique_ptr<Model> read_bpe(const JsonView& model) {
  require_no_dropout(model["dropout"]);
  BpeOptions options;
  options.file = model.where();
  if (!model["unk_token"].is_null()) options.unk_token = model["unk_token"].string();
  options.fuse_unk = model["fuse_unk"].boolean_or(false);
  options.byte_fallback = model["byte_fallback"].boolean_or(false);
  options.ignore_merges = model["ignore_merges"].boolean_or(false);
  options.continuing_subword_prefix = model["continuing_subword_prefix"].string_or("");
  options.end_of_word_suffix = model["end_of_word_suffix"].string_or("");
  Vocabulary vocabulary(read_vocab(model["vocab"]), model.where());
  options.merges = read_merges(model["merges"]);
  return make_bpe(std::move(vocabulary), std::move(options));
}

std::pair<std::string, std::string> split_merge(const std::string& line, const std::string& where) {
  const size_t space = line.find(' ');
  const bool is_pair = space != std::string::npos && line.find(' ', space + 1) == std::string::npos;
  if (!is_pair) {
    throw TokenizerError(where + ": expected two tokens and a space between, got \"" +
                         line.substr(0, 80) + "\"");
  }
  return {line.substr(0, space), line.substr(space + 1)};
}

}  // namespace eet
