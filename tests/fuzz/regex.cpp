// A pattern of a tokenizer file, and a text for it: every match lies in the text, in order.
#include "tokenizer/regex/regex.h"

#include <string>

#include "tests/fuzz/entry.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  // Longer ones take their allowance of steps again and again.
  constexpr size_t kMaxText = 24;
  FuzzInput input(data, size);
  const std::string text(input.bytes(input.byte() % kMaxText));
  const std::string pattern(input.rest());
  if (!is_utf8(text) || !is_utf8(pattern)) return 0;
  try {
    size_t end = 0;
    Regex(pattern, "fuzz").find_all(text, [&](const TextRange& match) {
      expect(match.begin >= end && match.end >= match.begin && match.end <= text.size(),
             "matches in the text, from left to right");
      end = match.end;
    });
  } catch (const TokenizerError&) {
    return 0;
  }
  return 0;
}
