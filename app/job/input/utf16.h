// UTF-16 to UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace eet {

// Takes the bytes of a text, without its byte order mark, in pieces of any size. A surrogate
// without its other half, and half a unit at the end, become a byte that UTF-8 does not have: the
// row is refused as one of invalid UTF-8 is.
class Utf16Decoder {
 public:
  explicit Utf16Decoder(bool big_endian) : big_endian_(big_endian) {}

  void push(std::string_view bytes, std::string& out);
  void finish(std::string& out);  // after the last byte

 private:
  void push_unit(char16_t unit, std::string& out);

  bool big_endian_;
  bool has_first_byte_ = false;
  uint8_t first_byte_ = 0;
  char16_t high_surrogate_ = 0;  // that waits for the low one; 0: none
};

}  // namespace eet
