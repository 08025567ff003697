// A text on its way through the pre-tokenizers: the words that it is cut into so far.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/regex/regex.h"

namespace eet {

struct Word {
  std::string_view text;
  // How many of its first bytes come from the very first character of the whole input: Metaspace's
  // prepend_scheme "first" asks. 0 for nearly every word.
  size_t origin_bytes = 0;

  Word part(size_t begin, size_t end) const {
    return {text.substr(begin, end - begin), std::clamp(origin_bytes, begin, end) - begin};
  }
};

// The words, and what the pre-tokenizers share while they work on them.
struct Words {
  std::vector<Word> list;
  std::deque<std::string> owned;   // texts that a pre-tokenizer changed
  std::vector<Word> next;          // the list under construction
  std::vector<TextRange> matches;  // scratch

  // Adds to the list under construction; empty words vanish.
  void keep(const Word& word) {
    if (!word.text.empty()) next.push_back(word);
  }
  // A changed text, which stays where it is.
  std::string_view own(std::string text) { return owned.emplace_back(std::move(text)); }
  // The list under construction becomes the list.
  void finish_step() {
    list.swap(next);
    next.clear();
  }
};

}  // namespace eet
