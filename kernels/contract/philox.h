// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3" (SC 2011): four random words that depend on a key and a counter
// only, so that any element of any stream can be drawn anywhere, in any order.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/contract/host_device.h"

namespace eet {

struct PhiloxWords {
  uint32_t word[4];
};

EET_HOST_DEVICE inline PhiloxWords philox4x32_10(uint64_t key, uint32_t c0, uint32_t c1,
                                                 uint32_t c2, uint32_t c3) {
  uint32_t k0 = static_cast<uint32_t>(key);
  uint32_t k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53U} * c0;
    const uint64_t product1 = uint64_t{0xCD9E8D57U} * c2;
    c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(product1);
    c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(product0);
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return {{c0, c1, c2, c3}};
}

// (word + 0.5) * 2^-32, kept inside the open interval (0, 1) where rounding would leave it.
EET_HOST_DEVICE inline float uniform_open(uint32_t word) {
  const float u = (static_cast<float>(word) + 0.5F) * 0x1p-32F;
  return u < 1.0F ? u : 0x1.fffffep-1F;
}

struct NormalQuad {
  float value[4];
};

// Standard normal deviates 4*group .. 4*group + 3 of the sequence keyed by `seed` (Box-Muller).
EET_HOST_DEVICE inline NormalQuad normal_quad(uint64_t seed, uint64_t group) {
  const PhiloxWords random =
      philox4x32_10(seed, static_cast<uint32_t>(group), static_cast<uint32_t>(group >> 32), 0, 0);
  NormalQuad out;
  for (int i = 0; i < 4; i += 2) {
    const float radius = sqrtf(-2.0F * logf(uniform_open(random.word[i])));
    const float angle = 6.28318530718F * uniform_open(random.word[i + 1]);
    out.value[i] = radius * cosf(angle);
    out.value[i + 1] = radius * sinf(angle);
  }
  return out;
}

}  // namespace eet
