// What kind of character is it? As the Hugging Face library sees it, whose tables are of several
// ages: see make_character_data.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace eet {

bool is_white_space(char32_t c);     // White_Space
bool is_word_character(char32_t c);  // \w of Rust's regular expressions
bool is_numeric(char32_t c);         // categories Nd, Nl, No
bool is_punctuation(char32_t c);     // ASCII punctuation and symbols, categories P*
bool is_combining_mark(char32_t c);  // categories M*

// Bytes of the white space that `text` begins with, and bytes of `text` before the white space that
// it ends with.
size_t leading_space_length(std::string_view text);
size_t length_without_trailing_space(std::string_view text);

// A number that stands for the script of `c`, as Unigram training tells scripts apart (Hiragana and
// Katakana are Han); 0 for the space and for characters without one.
int32_t script_of(char32_t c);

// Lower case of one character, without regard to what stands around it. One character, but for
// U+0130, which is two.
void append_lowercase(std::string& text, char32_t c);

}  // namespace eet
