#include "app/job/input/compression.h"

namespace eet {

Compression compression_of_name(std::string_view path) {
  if (path.ends_with(".gz")) return Compression::kGzip;
  if (path.ends_with(".xz")) return Compression::kXz;
  if (path.ends_with(".zst")) return Compression::kZstd;
  return Compression::kNone;
}

Compression compression_of_data(std::string_view data) {
  using namespace std::string_view_literals;
  if (data.starts_with("\x1F\x8B")) return Compression::kGzip;
  if (data.starts_with("\xFD"
                       "7zXZ\0"sv)) {
    return Compression::kXz;
  }
  if (data.starts_with("\x28\xB5\x2F\xFD")) return Compression::kZstd;
  return Compression::kNone;
}

const char* compression_name(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return "gzip";
    case Compression::kXz:
      return "xz";
    default:
      return "zstd";
  }
}

}  // namespace eet
