#include "app/job/input/compression.h"

namespace eet {

Compression compression_of_name(std::string_view path) {
  if (path.ends_with(".gz")) return Compression::kGzip;
  if (path.ends_with(".zst")) return Compression::kZstd;
  return Compression::kNone;
}

Compression compression_of_data(std::string_view data) {
  if (data.starts_with("\x1F\x8B")) return Compression::kGzip;
  if (data.starts_with("\x28\xB5\x2F\xFD")) return Compression::kZstd;
  return Compression::kNone;
}

const char* compression_name(Compression compression) {
  return compression == Compression::kGzip ? "gzip" : "zstd";
}

}  // namespace eet
