// The split patterns that most models share, matched by hand-written code: Oniguruma takes about
// ten times as long, and splitting is what encoding spends its time on.
#pragma once

#include <memory>
#include <string_view>

#include "tokenizer/regex/pattern.h"

namespace eet {

// GPT-2's pattern, which a ByteLevel pre-tokenizer with use_regex stands for.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Qwen2's. Llama 3's differs in \p{N}{1,3}.
inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Null where `source` is none of them. Matches are those of Regex, which the tests compare.
std::unique_ptr<Pattern> make_known_pattern(std::string_view source);

}  // namespace eet
