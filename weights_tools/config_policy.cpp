#include "weights_tools/config_policy.h"

#include <algorithm>
#include <iterator>

namespace eet {
namespace {

#include "weights_tools/config_keys.inc"

// Parts of names that suggest that a key changes what is computed.
constexpr std::string_view kArithmeticParts[] = {
    "scale",       "scaling",   "multiplier", "cap",      "window",   "norm",    "bias",
    "act",         "rope",      "rotary",     "alibi",    "sink",     "expert",  "router",
    "layer_types", "logit",     "clip",       "mask",     "parallel", "quant",   "moe",
    "attn",        "attention", "embedding",  "position", "theta",    "lora",    "ssm",
    "mamba",       "conv",      "vision",     "heads",    "sparse",   "residual"};

template <size_t n>
bool is_listed(const std::string_view (&sorted)[n], std::string_view key) {
  return std::binary_search(std::begin(sorted), std::end(sorted), key);
}

}  // namespace

KeyMeaning meaning_of_key(std::string_view key) {
  if (key.starts_with('_') || is_listed(kHarmless, key)) return KeyMeaning::kHarmless;
  if (is_listed(kImplemented, key)) return KeyMeaning::kArithmetic;
  const bool speaks =
      std::any_of(std::begin(kArithmeticParts), std::end(kArithmeticParts),
                  [&](std::string_view part) { return key.find(part) != std::string_view::npos; });
  return speaks ? KeyMeaning::kArithmetic : KeyMeaning::kUnknown;
}

}  // namespace eet
