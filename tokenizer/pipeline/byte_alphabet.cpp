#include "tokenizer/pipeline/byte_alphabet.h"

#include <algorithm>
#include <array>
#include <vector>

#include "tokenizer/utf8.h"

namespace eet {
namespace {

// The character of each byte.
const std::array<char32_t, 256>& byte_alphabet() {
  static const auto kAlphabet = [] {
    std::array<char32_t, 256> alphabet{};
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      alphabet[byte] = printable ? byte : next++;
    }
    return alphabet;
  }();
  return kAlphabet;
}

// The byte of each character of the alphabet; -1 for other characters.
std::vector<int> character_bytes() {
  std::vector<int> bytes;
  const auto& alphabet = byte_alphabet();
  for (size_t byte = 0; byte < alphabet.size(); ++byte) {
    bytes.resize(std::max<size_t>(bytes.size(), alphabet[byte] + 1), -1);
    bytes[alphabet[byte]] = static_cast<int>(byte);
  }
  return bytes;
}

}  // namespace

void append_in_byte_alphabet(std::string& text, std::string_view bytes) {
  for (char byte : bytes) append_code_point(text, byte_alphabet()[static_cast<uint8_t>(byte)]);
}

std::string bytes_of_token(std::string_view token) {
  static const std::vector<int> kBytes = character_bytes();
  std::string bytes;
  bytes.reserve(token.size());
  for (size_t at = 0; at < token.size();) {
    const auto first = static_cast<uint8_t>(token[at]);
    const char32_t character = first < 0x80 ? token[at++] : next_code_point(token, at);
    if (character >= kBytes.size() || kBytes[character] < 0) return std::string(token);
    bytes.push_back(static_cast<char>(kBytes[character]));
  }
  return bytes;
}

}  // namespace eet
