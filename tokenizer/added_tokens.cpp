#include "tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "tokenizer/split_pattern.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

// White_Space of Unicode, which the strip flags take along.
bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

size_t start_of_last_character(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

// Length of `text` without the white space at its end.
size_t length_without_trailing_space(std::string_view text) {
  while (!text.empty()) {
    const size_t last = start_of_last_character(text);
    size_t at = last;
    if (!is_white_space(next_code_point(text, at))) break;
    text = text.substr(0, last);
  }
  return text.size();
}

size_t leading_space_length(std::string_view text) {
  size_t length = 0;
  for (size_t at = 0; at < text.size(); length = at) {
    if (!is_white_space(next_code_point(text, at))) break;
  }
  return length;
}

// Whether `character` (one, in UTF-8) is a word character in the sense of UTS #18.
bool is_word_character(std::string_view character) {
  static const SplitPattern kNotWord(R"([^\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}])",
                                     SplitPattern::Syntax::kRegex, SplitPattern::Keep::kGaps,
                                     "word characters");
  std::vector<std::string_view> words;
  kNotWord.split(character, words);
  return !words.empty();
}

bool touches_word(std::string_view before, std::string_view after) {
  if (!before.empty() && is_word_character(before.substr(start_of_last_character(before)))) {
    return true;
  }
  if (after.empty()) return false;
  size_t length = 0;
  next_code_point(after, length);
  return is_word_character(after.substr(0, length));
}

}  // namespace

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens,
                         const std::function<std::string(std::string_view)>& normalize,
                         const std::string& file) {
  std::map<std::string_view, int32_t> ids;
  for (const AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    const auto [known_id, is_new] = ids.try_emplace(token.content, token.id);
    if (!is_new && known_id->second != token.id) {
      throw TokenizerError(file + ": added token \"" + token.content + "\": expected one id, got " +
                           std::to_string(known_id->second) + " and " + std::to_string(token.id));
    }
    AddedToken& known = by_id_[token.id];
    if (!known.content.empty() && known.content != token.content) {
      throw TokenizerError(file + ": added token id " + std::to_string(token.id) +
                           ": expected one token, got \"" + known.content + "\" and \"" +
                           token.content + "\"");
    }
    known = token;
  }
  for (const auto& [id, token] : by_id_) {
    if (token.normalized) {
      normalized_.insert(normalize(token.content), &token);
    } else {
      literal_.insert(token.content, &token);
    }
  }
}

const AddedToken* AddedTokens::find(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

void AddedTokens::Trie::insert(std::string_view key, const AddedToken* token) {
  int32_t node = 0;
  for (char byte : key) {
    const auto next = static_cast<int32_t>(nodes_.size());
    const auto [child, is_new] =
        nodes_[node].children.try_emplace(static_cast<uint8_t>(byte), next);
    node = child->second;
    if (is_new) nodes_.emplace_back();
  }
  if (node != 0) nodes_[node].token = token;
}

std::pair<size_t, const AddedToken*> AddedTokens::Trie::longest_match(std::string_view text,
                                                                      size_t at) const {
  std::pair<size_t, const AddedToken*> longest{0, nullptr};
  int32_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    const auto child = nodes_[node].children.find(static_cast<uint8_t>(text[i]));
    if (child == nodes_[node].children.end()) break;
    node = child->second;
    if (nodes_[node].token) longest = {i + 1 - at, nodes_[node].token};
  }
  return longest;
}

void AddedTokens::split(std::string_view text, bool normalized,
                        std::vector<TextSegment>& segments) const {
  const Trie& trie = normalized ? normalized_ : literal_;
  size_t done = 0;  // everything before is in a segment
  size_t at = trie.empty() ? text.size() : 0;
  while (at < text.size()) {
    const auto [length, token] = trie.longest_match(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + length;
    at = end;
    if (token->single_word && touches_word(text.substr(0, begin), text.substr(end))) continue;
    if (token->lstrip) begin = std::max(done, length_without_trailing_space(text.substr(0, begin)));
    if (token->rstrip) end += leading_space_length(text.substr(end));
    if (begin > done) segments.push_back({text.substr(done, begin - done), nullptr});
    segments.push_back({text.substr(begin, end - begin), token});
    done = at = end;
  }
  if (done < text.size()) segments.push_back({text.substr(done), nullptr});
}

}  // namespace eet
