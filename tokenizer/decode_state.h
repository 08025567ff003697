// What decoding remembers between one id and the next.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tokenizer/utf8.h"

namespace eet {

// The memory of one decoder of a tokenizer.json.
struct DecodeStage {
  std::string held;     // of the current string, what its rest may change
  std::string row;      // of the strings before, what the next one may change
  size_t strings = 0;   // how many there were
  size_t position = 0;  // inside the current string
  Utf8Assembler utf8{Utf8Replacement::kPerSubpart};
};

struct DecodeState {
  // A SentencePiece model's: bytes of an incomplete character, and whether there is no text yet,
  // where the space that was put before the text is dropped.
  Utf8Assembler utf8;
  bool at_start = true;
  // A tokenizer.json's.
  std::vector<DecodeStage> stages = {};
};

}  // namespace eet
