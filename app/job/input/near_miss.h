// Misspelt names.
#pragma once

#include <span>
#include <string_view>

namespace eet {

// The name of `known` that `name`, which is none of them, was probably meant to be; empty where
// there is none. Letter case, hyphens and underscores never matter. Beyond that one letter may be
// missing, added, wrong or swapped with the next in names of at least eight letters, two in names
// of at least eleven: shorter names are too close to what rows have for other purposes (top_5).
// Words of up to four letters are no misspelling's origin.
std::string_view near_miss(std::string_view name, std::span<const std::string_view> known);

}  // namespace eet
