#include "tokenizer/added_tokens.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "tokenizer/step_limit.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode/characters.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

bool touches_word(std::string_view before, std::string_view after) {
  size_t at = 0;
  if (!before.empty()) {
    at = start_of_last_character(before);
    if (is_word_character(next_code_point(before, at))) return true;
  }
  at = 0;
  return !after.empty() && is_word_character(next_code_point(after, at));
}

// The longest key that `text` has at `at`: its length and value; length 0 where there is none.
std::pair<size_t, int32_t> longest_match(const ByteTrie& trie, std::string_view text, size_t at,
                                         StepLimit& limit) {
  std::pair<size_t, int32_t> longest{0, ByteTrie::kNone};
  int32_t node = ByteTrie::kRoot;
  size_t i = at;
  for (; i < text.size(); ++i) {
    node = trie.child(node, text[i]);
    if (node == ByteTrie::kNone) break;
    if (const int32_t value = trie.value(node); value != ByteTrie::kNone) {
      longest = {i + 1 - at, value};
    }
  }
  limit.spend(i - at);
  return longest;
}

}  // namespace

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens,
                         const std::function<std::string(std::string_view)>& normalize,
                         const std::string& file) {
  std::unordered_map<std::string_view, int32_t> ids;
  for (const AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    const auto [known_id, is_new] = ids.emplace(token.content, token.id);
    if (known_id->second != token.id) {
      throw TokenizerError(file + ": added token \"" + token.content + "\": expected one id, got " +
                           std::to_string(known_id->second) + " and " + std::to_string(token.id));
    }
    AddedToken& known = by_id_[token.id];
    if (!known.content.empty() && known.content != token.content) {
      throw TokenizerError(file + ": added token id " + std::to_string(token.id) +
                           ": expected one token, got \"" + known.content + "\" and \"" +
                           token.content + "\"");
    }
    const bool special = known.special || token.special;
    known = token;
    known.special = special;
  }
  std::unordered_set<std::string> known_forms;
  for (const auto& [id, token] : by_id_) {
    if (!token.normalized) {
      literal_.insert(token.content, id);
      continue;
    }
    std::string form = normalize(token.content);
    if (form.empty()) {
      throw TokenizerError(file + ": added token \"" + token.content +
                           "\": expected a normal form, got nothing; the reference fails on text "
                           "with such a token: make it one that is not normalized");
    }
    if (known_forms.insert(form).second) normalized_.insert(form, id);
    if (form != token.content) normal_forms_.emplace(id, std::move(form));
  }
}

const AddedToken* AddedTokens::find(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

void AddedTokens::split(std::string_view text, bool normalized,
                        FunctionRef<void(const TextSegment&)> visit) const {
  const ByteTrie& trie = normalized ? normalized_ : literal_;
  StepLimit limit(text.size());
  size_t done = 0;  // everything before is in a segment
  size_t at = trie.empty() ? text.size() : 0;
  while (at < text.size()) {
    const auto [length, id] = longest_match(trie, text, at, limit);
    if (length == 0) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + length;
    at = end;  // also where a token before took the white space that this one begins with
    const AddedToken& token = by_id_.at(id);
    if (token.single_word && touches_word(text.substr(0, begin), text.substr(end))) continue;
    if (token.lstrip) {
      begin = begin > done ? done + length_without_trailing_space(text.substr(done, begin - done))
                           : done;
    }
    if (token.rstrip) {
      // The white space up to `done` has been seen already.
      const size_t seen = std::max(end, done);
      end = seen + leading_space_length(text.substr(seen));
    }
    if (begin > done) visit({text.substr(done, begin - done), nullptr});
    // Nothing is left of a token of white space that the one before it took along.
    if (begin < end) visit({text.substr(begin, end - begin), &token});
    done = end;
  }
  if (done < text.size()) visit({text.substr(done), nullptr});
}

}  // namespace eet
