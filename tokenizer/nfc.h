// Unicode normalisation form C (canonical composition, UAX #15), which the Qwen tokenizers apply.
#pragma once

#include <string>
#include <string_view>

namespace eet {

// The normal form of `text` (valid UTF-8). Text that is already composed, which nearly all text is,
// is recognised in one pass.
std::string to_nfc(std::string_view text);

}  // namespace eet
