// What a reader takes for one character: extended grapheme clusters (UAX #29).
#pragma once

#include <cstddef>
#include <string_view>

namespace eet {

// Where the cluster ends that begins at `begin`, which is not the end of `text` (valid UTF-8).
size_t end_of_grapheme(std::string_view text, size_t begin);

}  // namespace eet
