#include "tokenizer/models/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "tokenizer/byte_trie.h"
#include "tokenizer/models/byte_tokens.h"
#include "tokenizer/step_limit.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

constexpr double kUnknownPenalty = 10.0;  // below the least likely piece

struct UnigramOptions {
  std::vector<double> scores;  // by id
  std::optional<int32_t> unk_id;
  bool byte_fallback = false;
};

class Unigram final : public Model {
 public:
  Unigram(Vocabulary vocabulary, UnigramOptions options)
      : Model(std::move(vocabulary)),
        options_(std::move(options)),
        byte_tokens_(this->vocabulary()) {
    double least = std::numeric_limits<double>::infinity();
    for (double score : options_.scores) least = std::min(least, score);
    unknown_score_ = least - kUnknownPenalty;
    for (int32_t id = 0; id < this->vocabulary().id_end(); ++id) {
      const std::string& piece = *this->vocabulary().token(id);
      if (!piece.empty()) pieces_.insert(piece, id);
    }
  }

  void encode(std::string_view word, std::vector<int32_t>& ids) const override {
    const std::vector<BestEnd> ends = best_ends(word);
    std::vector<std::pair<size_t, size_t>> parts;  // from the last one
    bool is_unknown = false;
    for (size_t end = word.size(); end > 0;) {
      const BestEnd& best = ends[end];
      const bool continues = is_unknown && best.id == options_.unk_id;
      is_unknown = best.id == options_.unk_id;
      if (continues) {
        parts.back().first = best.begin;  // unknown characters in a row are one
      } else {
        parts.emplace_back(best.begin, end);
      }
      end = best.begin;
    }
    for (size_t i = parts.size(); i-- > 0;) {
      const auto [part_begin, part_end] = parts[i];
      append_part(word.substr(part_begin, part_end - part_begin), ids);
    }
  }

  std::string_view name() const override { return "Unigram"; }

 private:
  // The likeliest way to a place in the word.
  struct BestEnd {
    double score = 0.0;
    size_t begin = kUnreached;  // of its last piece
    int32_t id = -1;
  };
  static constexpr size_t kUnreached = ~size_t{0};

  std::vector<BestEnd> best_ends(std::string_view word) const {
    std::vector<BestEnd> ends(word.size() + 1);
    const auto is_better = [&](size_t begin, size_t end, double score) {
      return ends[end].begin == kUnreached || score + ends[begin].score > ends[end].score;
    };
    const auto offer = [&](size_t begin, size_t end, int32_t id, double score) {
      if (is_better(begin, end, score)) ends[end] = {score + ends[begin].score, begin, id};
    };
    StepLimit limit(word.size());
    for (size_t begin = 0; begin < word.size();) {
      size_t next = begin;
      next_code_point(word, next);
      bool has_character = false;  // a piece of this one character
      int32_t node = ByteTrie::kRoot;
      size_t at = begin;
      for (; at < word.size(); ++at) {
        node = pieces_.child(node, word[at]);
        if (node == ByteTrie::kNone) break;
        const int32_t id = pieces_.value(node);
        if (id == ByteTrie::kNone) continue;
        offer(begin, at + 1, id, options_.scores[id]);
        has_character = has_character || at + 1 == next;
      }
      limit.spend(at - begin);
      if (!has_character && is_better(begin, next, unknown_score_)) {
        if (!options_.unk_id) fail_without_unk(word.substr(begin, next - begin));
        offer(begin, next, *options_.unk_id, unknown_score_);
      }
      begin = next;
    }
    return ends;
  }

  void append_part(std::string_view part, std::vector<int32_t>& ids) const {
    if (const auto id = vocabulary().find(part)) {
      ids.push_back(*id);
    } else if (!options_.byte_fallback || !byte_tokens_.append(part, ids)) {
      if (!options_.unk_id) fail_without_unk(part);
      ids.push_back(*options_.unk_id);
    }
  }

  [[noreturn]] static void fail_without_unk(std::string_view part) {
    throw TokenizerError("text: \"" + std::string(part.substr(0, 80)) +
                         "\" is not in the vocabulary, which has no unknown token");
  }

  UnigramOptions options_;
  ByteTokens byte_tokens_;
  ByteTrie pieces_;
  double unknown_score_;
};

}  // namespace

std::unique_ptr<Model> read_unigram(const JsonView& model) {
  UnigramOptions options;
  std::vector<std::pair<std::string, int32_t>> tokens;
  const JsonView vocab = model["vocab"];
  const auto& list = vocab.array();
  if (list.size() > kMaxTokenId) vocab.fail("at most " + std::to_string(kMaxTokenId) + " pieces");
  for (size_t i = 0; i < list.size(); ++i) {
    const nlohmann::json& entry = list[i];
    const bool is_pair = entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
                         entry[1].is_number() && std::isfinite(entry[1].get<double>());
    if (!is_pair) vocab.at(i).fail("a piece and its score");
    tokens.emplace_back(entry[0], static_cast<int32_t>(i));
    options.scores.push_back(entry[1].get<double>());
  }
  const JsonView unk_id = model["unk_id"];
  if (!unk_id.is_null()) {
    options.unk_id = unk_id.token_id();
    if (static_cast<size_t>(*options.unk_id) >= list.size()) {
      unk_id.fail("an id of the vocabulary, below " + std::to_string(list.size()));
    }
  }
  options.byte_fallback = model["byte_fallback"].boolean_or(false);
  return std::make_unique<Unigram>(Vocabulary(std::move(tokens), model.where()),
                                   std::move(options));
}

}  // namespace eet
