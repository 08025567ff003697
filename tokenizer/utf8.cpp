#include "tokenizer/utf8.h"

#include <cstring>

namespace eet {
namespace {

// Bytes of the character that `lead` begins; 0 where no character begins so.
size_t sequence_length(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

// Whether `byte` may be byte number `index` (from 1) of a character that begins with `lead`.
bool continues(uint8_t lead, size_t index, uint8_t byte) {
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
  if (index == 1) {
    if (lead == 0xE0) low = 0xA0;   // overlong
    if (lead == 0xED) high = 0x9F;  // surrogates
    if (lead == 0xF0) low = 0x90;   // overlong
    if (lead == 0xF4) high = 0x8F;  // above U+10FFFF
  }
  return byte >= low && byte <= high;
}

bool is_ascii_block(const char* bytes) {
  uint64_t block;
  std::memcpy(&block, bytes, sizeof(block));
  return (block & 0x8080808080808080ull) == 0;
}

}  // namespace

size_t find_invalid_utf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (at + 8 <= text.size() && is_ascii_block(text.data() + at)) {
      at += 8;
      continue;
    }
    const uint8_t lead = static_cast<uint8_t>(text[at]);
    const size_t length = sequence_length(lead);
    if (length == 0 || at + length > text.size()) return at;
    for (size_t i = 1; i < length; ++i) {
      if (!continues(lead, i, static_cast<uint8_t>(text[at + i]))) return at;
    }
    at += length;
  }
  return std::string_view::npos;
}

char32_t next_code_point(std::string_view text, size_t& position) {
  const uint8_t lead = static_cast<uint8_t>(text[position]);
  const size_t length = sequence_length(lead);
  char32_t code_point = length == 1 ? lead : lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    code_point = code_point << 6 | (static_cast<uint8_t>(text[position + i]) & 0x3F);
  }
  position += length;
  return code_point;
}

size_t start_of_last_character(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

void append_code_point(std::string& text, char32_t code_point) {
  const auto put = [&text](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

void Utf8Assembler::push(std::string_view bytes, std::string& out) {
  if (size_ == 0 && is_utf8(bytes)) {
    out += bytes;
    return;
  }
  for (char byte : bytes) push_byte(static_cast<uint8_t>(byte), out);
}

void Utf8Assembler::push_byte(uint8_t byte, std::string& out) {
  if (size_ > 0 && !continues(incomplete_[0], size_, byte)) flush(out);
  const size_t length = sequence_length(size_ > 0 ? incomplete_[0] : byte);
  if (length == 0) {
    out += kReplacementCharacter;
    return;
  }
  incomplete_[size_++] = byte;
  if (size_ == length) {
    out.append(reinterpret_cast<const char*>(incomplete_), size_);
    size_ = 0;
  }
}

void Utf8Assembler::flush(std::string& out) {
  if (size_ == 0) return;
  const size_t count = replacement_ == Utf8Replacement::kPerByte ? size_ : 1;
  for (size_t i = 0; i < count; ++i) out += kReplacementCharacter;
  size_ = 0;
}

}  // namespace eet
