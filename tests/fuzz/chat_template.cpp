// A chat template, parsed and rendered with a conversation.
#include <ctime>
#include <nlohmann/json.hpp>

#include "tests/fuzz/entry.h"
#include "tokenizer/jinja/template.h"

namespace eet {
namespace {

// Enough for every published template, and little enough that a template that loops costs no time.
constexpr jinja::Limits kLimits = {.steps = 20'000, .bytes = int64_t{1} << 20, .depth = 400};

const nlohmann::ordered_json& variables() {
  static const auto parsed = nlohmann::ordered_json::parse(R"({
    "bos_token": "<s>", "eos_token": "</s>", "tools": null, "documents": null,
    "add_generation_prompt": true, "pi": 3.25, "big": 9007199254740993, "items": {"b": 1, "a": [2]},
    "messages": [{"role": "system", "content": "Be brief. \u00e9\u4e2d"},
                 {"role": "user", "content": " What's 2 < 3?\n"},
                 {"role": "assistant", "content": "<think>\n2\n</think>\nYes"},
                 {"role": "user", "content": "Thanks", "name": "Ann"}]})");
  return parsed;
}

std::tm some_date() {
  std::tm date{};
  date.tm_year = 124;
  date.tm_mon = 6;
  date.tm_mday = 26;
  return date;
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  try {
    const jinja::Template parsed(FuzzInput(data, size).rest());
    const std::string text = parsed.render(variables(), {some_date(), {}}, kLimits);
    expect(text.size() <= static_cast<size_t>(kLimits.bytes), "text within the limits");
  } catch (const jinja::Error&) {
  }
  return 0;
}
