// UTF-8: checking, walking, writing, and assembling it from bytes that arrive one by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace eet {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

// Offset of the first byte that is not part of well-formed UTF-8 (no surrogates, no overlong forms,
// nothing above U+10FFFF), or std::string_view::npos.
size_t find_invalid_utf8(std::string_view text);

inline bool is_utf8(std::string_view text) {
  return find_invalid_utf8(text) == std::string_view::npos;
}

// The code point at `position`, which moves behind it. `text` must be valid and not at its end.
char32_t next_code_point(std::string_view text, size_t& position);

// Where the last character of `text` begins, which must be valid and not empty.
size_t start_of_last_character(std::string_view text);

void append_code_point(std::string& text, char32_t code_point);

// How ill-formed bytes are counted out as U+FFFD.
enum class Utf8Replacement {
  kPerSubpart,  // one for each maximal prefix of a character (Unicode 3.9, Rust's from_utf8_lossy)
  kPerByte,     // one for each byte (SentencePiece)
};

// Turns bytes into text. At most three bytes wait for the rest of their character.
class Utf8Assembler {
 public:
  explicit Utf8Assembler(Utf8Replacement replacement) : replacement_(replacement) {}

  // Appends to `out` what `bytes` completes.
  void push(std::string_view bytes, std::string& out);

  // Nothing more belongs to the incomplete character, if there is one: U+FFFD for it.
  void flush(std::string& out);

 private:
  void push_byte(uint8_t byte, std::string& out);

  Utf8Replacement replacement_;
  uint8_t incomplete_[4] = {};
  size_t size_ = 0;
};

}  // namespace eet
