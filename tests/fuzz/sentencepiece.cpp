// A SentencePiece model, and a text for it.
#include "tests/fuzz/entry.h"
#include "tests/fuzz/text_round_trip.h"
#include "tokenizer/sentencepiece_tokenizer.h"

namespace eet {
namespace {

constexpr std::string_view kText =
    " Once upon  a time,\n<s>na\xC3\xAFve \xEF\xBC\xA1\xE2\x84\xA2 \xF0\x9F\x98\x80</s> the end ";

TokenizerConfig tokenizer_config(uint8_t choice) {
  TokenizerConfig config;
  config.present = (choice & 1) != 0;
  if ((choice & 2) != 0) config.legacy = (choice & 4) != 0;
  if ((choice & 8) != 0) config.add_prefix_space = (choice & 16) != 0;
  config.add_eos_token = (choice & 32) != 0;
  return config;
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  FuzzInput input(data, size);
  const TokenizerConfig config = tokenizer_config(input.byte());
  try {
    const SentencePieceTokenizer tokenizer(std::string(input.rest()), "tokenizer.model", config);
    check_text_round_trip(tokenizer, kText);
  } catch (const TokenizerError&) {
  }
  return 0;
}
