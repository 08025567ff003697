// tokenizer.json, and a text for what it describes.
#include "tokenizer/tokenizer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/fuzz/entry.h"
#include "tests/fuzz/text_round_trip.h"

namespace eet {
namespace {

constexpr std::string_view kText =
    "Hello  world's 12345\n\n  <s>na\xC3\xAFve e\xCC\x81 \xF0\x9F\x98\x80 \xEA\xB0\x80</s> the "
    "end ";

// Large ids are allowed and cost a table of their size each, which takes too long here.
bool has_large_number(std::string_view text) {
  size_t digits = 0;
  return std::any_of(text.begin(), text.end(), [&](char c) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    return digits > 5;
  });
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  const std::string_view text = FuzzInput(data, size).rest();
  if (has_large_number(text)) return 0;
  const nlohmann::json document = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return 0;
  const JsonView file(document, "tokenizer.json");
  try {
    const PipelineTokenizer tokenizer(read_tokenizer_json(file, {}));
    check_text_round_trip(tokenizer, kText);
  } catch (const TokenizerError&) {
  }
  return 0;
}
