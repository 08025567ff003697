// What becomes of a delimiter when text is split at it.
#pragma once

#include <string_view>

#include "tokenizer/json_view.h"
#include "tokenizer/pipeline/words.h"
#include "tokenizer/regex/pattern.h"

namespace eet {

// On "a--b", split at "-":
enum class SplitBehavior {
  kRemoved,             // a b
  kIsolated,            // a - - b
  kMergedWithPrevious,  // a- - b
  kMergedWithNext,      // a - -b
  kContiguous,          // a -- b
};

// "Removed", "Isolated", ... TokenizerError for any other.
SplitBehavior read_split_behavior(const JsonView& behavior);

// Splits `word` at the matches of `pattern`, or with `invert` at what lies between them, and hands
// the parts, which may be empty, to `sink`.
void split_word(const Word& word, const Pattern& pattern, SplitBehavior behavior, bool invert,
                WordSink sink);

}  // namespace eet
