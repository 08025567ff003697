// The printable characters that stand for bytes in byte-level vocabularies.
#pragma once

#include <string>
#include <string_view>

namespace eet {

// Appends one character for each byte of `bytes`, as GPT-2 introduced them: printable Latin-1
// characters stand for themselves, the other bytes, in order, for U+0100 and up.
void append_in_byte_alphabet(std::string& text, std::string_view bytes);

// The bytes that `token` stands for; its own UTF-8 where a character is not of the alphabet, as
// Hugging Face's ByteLevel decoder has it.
std::string bytes_of_token(std::string_view token);

}  // namespace eet
