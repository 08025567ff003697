// Hashes for telling whether data are the same: fast, stable over versions, not cryptographic.
#pragma once

#include <cstdint>
#include <string_view>

namespace eet {

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};

// XXH3 of `bytes` (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).
uint64_t hash64(std::string_view bytes, uint64_t seed);
Hash128 hash128(std::string_view bytes);

}  // namespace eet
