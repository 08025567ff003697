// "Did you mean ...?"
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace eet {

// The candidate that `word` was most likely meant to be: the nearest one by insertions, deletions,
// replacements and swaps of neighbours (optimal string alignment), if at most a third of its
// letters differ, or `word` begins it and nothing else. The first of equals.
std::optional<std::string> suggest(std::string_view word, std::span<const std::string> candidates);

// "; did you mean --max-tokens?" for the end of a message, or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace eet
