#include "app/job/journal/hash.h"

#define XXH_INLINE_ALL  // the header alone, without the library
#include <xxhash.h>

namespace eet {

uint64_t hash64(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Hash128 hash128(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

struct StreamHash::State {
  XXH3_state_t xxh3;
};

StreamHash::StreamHash() : state_(std::make_unique<State>()) {
  XXH3_64bits_reset(&state_->xxh3);
}

StreamHash::~StreamHash() = default;

void StreamHash::add(std::span<const char> bytes) {
  XXH3_64bits_update(&state_->xxh3, bytes.data(), bytes.size());
}

uint64_t StreamHash::value() const {
  return XXH3_64bits_digest(&state_->xxh3);
}

}  // namespace eet
