// Text on its way through the pre-tokenizers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "tokenizer/function_ref.h"

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

// Takes words one by one; each is valid during the call.
using WordSink = FunctionRef<void(const Word&)>;

}  // namespace eet
