#include "app/job/input/utf16.h"

#include <utility>

#include "tokenizer/utf8.h"

namespace eet {
namespace {

constexpr char kNotUtf8 = '\xFF';

}  // namespace

void Utf16Decoder::push_unit(char16_t unit, std::string& out) {
  const bool is_high = unit >= 0xD800 && unit < 0xDC00;
  const bool is_low = unit >= 0xDC00 && unit < 0xE000;
  if (const char16_t high = std::exchange(high_surrogate_, 0); high != 0) {
    if (is_low) {
      append_code_point(out, 0x10000 + ((char32_t{high} & 0x3FFU) << 10U) + (unit & 0x3FFU));
      return;
    }
    out += kNotUtf8;
  }
  if (is_high) {
    high_surrogate_ = unit;
  } else if (is_low) {
    out += kNotUtf8;
  } else {
    append_code_point(out, unit);
  }
}

void Utf16Decoder::push(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (!std::exchange(has_first_byte_, !has_first_byte_)) {
      first_byte_ = byte;
      continue;
    }
    const int unit = big_endian_ ? first_byte_ << 8 | byte : byte << 8 | first_byte_;
    push_unit(static_cast<char16_t>(unit), out);
  }
}

void Utf16Decoder::finish(std::string& out) {
  if (std::exchange(high_surrogate_, 0) != 0) out += kNotUtf8;
  if (std::exchange(has_first_byte_, false)) out += kNotUtf8;
}

}  // namespace eet
