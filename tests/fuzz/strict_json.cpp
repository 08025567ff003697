// JSON of a model's files: what is taken is what the library's own parser makes of it, and what
// that refuses is refused.
#include "lib/files/strict_json.h"

#include <nlohmann/json.hpp>

#include "tests/fuzz/entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  const std::string_view text = FuzzInput(data, size).rest();
  const nlohmann::json expected = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  try {
    const JsonLimits limits = {.max_values = 100, .duplicates = DuplicateKeys::kLastWins};
    const nlohmann::json read = parse_strict_json(text, limits);
    const bool may_have_words = text.find("NaN") != std::string_view::npos ||
                                text.find("Infinity") != std::string_view::npos;
    expect(may_have_words || !expected.is_discarded(), "malformed text to be refused");
    expect(expected.is_discarded() || read == expected, "the same value");
  } catch (const JsonError&) {
    return 0;
  }
  return 0;
}
