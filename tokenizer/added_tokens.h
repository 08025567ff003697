// Tokens that are found in the text as they are, before anything else is done to it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/byte_trie.h"
#include "tokenizer/function_ref.h"

namespace eet {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;      // skipped by decode(skip_special_tokens)
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
  bool normalized = false;   // looked for in the normalised text, itself normalised
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
  // `normalized` too. Of two tokens with the same content the later one's flags count, but special
  // is what one of them says. Of tokens that normalisation makes equal the one of the lowest id is
  // found (of any, in the reference); without content none. TokenizerError, naming `file`, when one
  // content has two ids, one id two contents, or normalisation leaves nothing of a token.
  AddedTokens(const std::vector<AddedToken>& tokens,
              const std::function<std::string(std::string_view)>& normalize,
              const std::string& file);

  // Whether there are tokens that are looked for after normalisation.
  bool has_normalized() const { return !normalized_.empty(); }

  // Cuts `text` at the tokens looked for before (`normalized` false) or after normalisation, and
  // calls visit(segment) for each stretch in order.
  void split(std::string_view text, bool normalized,
             FunctionRef<void(const TextSegment&)> visit) const;

  // The token of `id`, or null.
  const AddedToken* find(int32_t id) const;
  const std::map<int32_t, AddedToken>& by_id() const { return by_id_; }

  // What decoding gives for the tokens that normalisation changes: their normal form.
  const std::map<int32_t, std::string>& normal_forms() const { return normal_forms_; }

 private:
  std::map<int32_t, AddedToken> by_id_;
  std::map<int32_t, std::string> normal_forms_;
  ByteTrie literal_;
  ByteTrie normalized_;
};

}  // namespace eet
