// Tokens that are found in the text as they are, before anything else is done to it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eet {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;      // skipped by decode(skip_special_tokens)
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
  bool normalized = false;   // looked for in the normalised text
};

// A stretch of text, or one added token.
struct TextSegment {
  std::string_view text;
  const AddedToken* token = nullptr;
};

// Longest match first at the leftmost place, as in Hugging Face tokenizers.
class AddedTokens {
 public:
  // `normalize` is what the tokenizer does to text; it is done to the content of tokens that are
  // `normalized` too. Of two tokens with the same content the later one's flags count.
  // TokenizerError, naming `file`, when one content has two ids or one id two contents.
  AddedTokens(const std::vector<AddedToken>& tokens,
              const std::function<std::string(std::string_view)>& normalize,
              const std::string& file);
  AddedTokens(AddedTokens&&) = default;  // not copyable: the trees point into by_id_
  AddedTokens& operator=(AddedTokens&&) = default;

  // Cuts `text` at the tokens looked for before (`normalized` false) or after normalisation.
  void split(std::string_view text, bool normalized, std::vector<TextSegment>& segments) const;

  // The token of `id`, or null.
  const AddedToken* find(int32_t id) const;
  const std::map<int32_t, AddedToken>& by_id() const { return by_id_; }

 private:
  // A tree of the contents' bytes.
  class Trie {
   public:
    bool empty() const { return nodes_.size() == 1; }
    void insert(std::string_view key, const AddedToken* token);
    // The longest key that `text` has at `at`, with its token; an empty key if there is none.
    std::pair<size_t, const AddedToken*> longest_match(std::string_view text, size_t at) const;

   private:
    struct Node {
      std::map<uint8_t, int32_t> children;
      const AddedToken* token = nullptr;
    };
    std::vector<Node> nodes_ = std::vector<Node>(1);
  };

  std::map<int32_t, AddedToken> by_id_;
  Trie literal_;
  Trie normalized_;
};

}  // namespace eet
