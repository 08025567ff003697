// Compressed files: gzip, xz and zstd.
#pragma once

#include <string>
#include <string_view>

namespace eet {

enum class Compression { kNone, kGzip, kXz, kZstd };

// By the end of the name: .gz, .xz, .zst, or none.
Compression compression_of_name(std::string_view path);

// By the magic bytes that the data begin with. No UTF-8 text begins with any.
Compression compression_of_data(std::string_view data);
inline constexpr size_t kMagicBytes = 6;

// "gzip", "xz" or "zstd".
const char* compression_name(Compression compression);

}  // namespace eet
