// Hashes for telling whether data are the same: fast, stable over versions, not cryptographic.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
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

// XXH3 of all bytes added, however they are cut.
class StreamHash {
 public:
  StreamHash();
  ~StreamHash();
  StreamHash(const StreamHash&) = delete;
  StreamHash& operator=(const StreamHash&) = delete;

  void add(std::span<const char> bytes);
  uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace eet
