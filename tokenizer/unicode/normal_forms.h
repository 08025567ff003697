// Unicode's normal forms (UAX #15), of the Unicode that the Hugging Face library has.
#pragma once

#include <string>
#include <string_view>

namespace eet {

enum class NormalForm { kC, kD, kKC, kKD };

// The normal form of `text` (valid UTF-8). For NFC, text that is already composed, which nearly all
// text is, is recognised in one pass.
std::string to_normal_form(std::string_view text, NormalForm form);

}  // namespace eet
