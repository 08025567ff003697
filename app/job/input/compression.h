// Compressed files: gzip and zstd.
#pragma once

#include <string>
#include <string_view>

namespace eet {

enum class Compression { kNone, kGzip, kZstd };

// By the end of the name: .gz, .zst, or neither.
Compression compression_of_name(std::string_view path);

// By the magic bytes that the data begin with. No UTF-8 text begins with either.
Compression compression_of_data(std::string_view data);
inline constexpr size_t kMagicBytes = 4;

// "gzip" or "zstd".
const char* compression_name(Compression compression);

}  // namespace eet
