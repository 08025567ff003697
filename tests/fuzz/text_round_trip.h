// What every tokenizer must bear, whatever file it came from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/entry.h"
#include "tokenizer/incremental_decoder.h"
#include "tokenizer/tokenizer.h"

namespace eet {

// Encodes `text` and decodes it, at once and step by step.
inline void check_text_round_trip(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<int32_t> ids = tokenizer.encode(text, /*add_special_tokens=*/true);
  for (int32_t id : ids) expect(id >= 0 && id < tokenizer.vocab_size(), "ids of the vocabulary");
  IncrementalDecoder decoder(tokenizer, /*skip_special_tokens=*/false);
  std::string steps;
  for (int32_t id : ids) steps += decoder.push(id);
  steps += decoder.finish();
  expect(tokenizer.decode(ids, /*skip_special_tokens=*/false) == steps,
         "the same text at once and step by step");
  expect(find_invalid_utf8(steps) == std::string_view::npos, "text in UTF-8");
}

}  // namespace eet
