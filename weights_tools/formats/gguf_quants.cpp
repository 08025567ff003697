// Block layouts: ggml-common.h of llama.cpp; arithmetic and its order: gguf/quants.py. This file is
// compiled without fused multiply-add, which would round once where the reference rounds twice.
#include "weights_tools/formats/gguf_quants.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <iterator>

namespace eet {
namespace {

constexpr size_t kSmall = 32;   // elements of the simple formats' blocks
constexpr size_t kLarge = 256;  // elements of the k-quants' blocks

unsigned byte_at(const std::byte* in, size_t at) {
  return std::to_integer<unsigned>(in[at]);
}

int signed_byte_at(const std::byte* in, size_t at) {
  return static_cast<int8_t>(byte_at(in, at));
}

template <typename Integer>
Integer integer_at(const std::byte* in, size_t at) {
  Integer value;
  std::memcpy(&value, in + at, sizeof value);
  return value;
}

float half_at(const std::byte* in, size_t at) {
  return f16_to_f32(integer_at<uint16_t>(in, at));
}

// Element `i` of a block of 32 whose low nibbles are elements 0 to 15.
int nibble(const std::byte* nibbles, size_t i) {
  return static_cast<int>(byte_at(nibbles, i % 16) >> (4 * (i / 16)) & 15);
}

// Runs value(block, i) over all elements of all blocks.
template <size_t kElements, size_t kBytes, typename Value>
void unpack_each(float* out, const std::byte* in, size_t blocks, Value value) {
  for (size_t block = 0; block < blocks; ++block, in += kBytes, out += kElements) {
    for (size_t i = 0; i < kElements; ++i) out[i] = value(in, i);
  }
}

// d[2] q[16]
void unpack_q4_0(float* out, const std::byte* in, size_t blocks) {
  unpack_each<kSmall, 18>(out, in, blocks, [](const std::byte* block, size_t i) {
    return half_at(block, 0) * static_cast<float>(nibble(block + 2, i) - 8);
  });
}

// d[2] m[2] q[16]
void unpack_q4_1(float* out, const std::byte* in, size_t blocks) {
  unpack_each<kSmall, 20>(out, in, blocks, [](const std::byte* block, size_t i) {
    return half_at(block, 0) * static_cast<float>(nibble(block + 4, i)) + half_at(block, 2);
  });
}

// The fifth bit of element `i`.
int fifth_bit(const std::byte* bits, size_t i) {
  return static_cast<int>(integer_at<uint32_t>(bits, 0) >> i & 1) << 4;
}

// d[2] high bits[4] q[16]
void unpack_q5_0(float* out, const std::byte* in, size_t blocks) {
  unpack_each<kSmall, 22>(out, in, blocks, [](const std::byte* block, size_t i) {
    const int q = (nibble(block + 6, i) | fifth_bit(block + 2, i)) - 16;
    return half_at(block, 0) * static_cast<float>(q);
  });
}

// d[2] m[2] high bits[4] q[16]
void unpack_q5_1(float* out, const std::byte* in, size_t blocks) {
  unpack_each<kSmall, 24>(out, in, blocks, [](const std::byte* block, size_t i) {
    const int q = nibble(block + 8, i) | fifth_bit(block + 4, i);
    return half_at(block, 0) * static_cast<float>(q) + half_at(block, 2);
  });
}

// d[2] q[32]
void unpack_q8_0(float* out, const std::byte* in, size_t blocks) {
  unpack_each<kSmall, 34>(out, in, blocks, [](const std::byte* block, size_t i) {
    return static_cast<float>(signed_byte_at(block, 2 + i)) * half_at(block, 0);
  });
}

// Element `i` of 2-bit values: each 32 bytes hold 128 elements, two bits further every 32.
int two_bits(const std::byte* bytes, size_t i) {
  return static_cast<int>(byte_at(bytes, i / 128 * 32 + i % 32) >> (2 * (i % 128 / 32)) & 3);
}

// Runs value(scales, group, i) over blocks of 256, where scales(block) is made once for a block.
template <size_t kBytes, typename Scales, typename Value>
void unpack_scaled(float* out, const std::byte* in, size_t blocks, Scales scales_of, Value value) {
  for (size_t block = 0; block < blocks; ++block, in += kBytes, out += kLarge) {
    const auto scales = scales_of(in);
    for (size_t i = 0; i < kLarge; ++i) out[i] = value(in, scales, i);
  }
}

// Scales and minima of a block's groups, as multiples of what they are scaled with themselves.
template <size_t kGroups>
struct GroupScales {
  std::array<float, kGroups> scale;
  std::array<float, kGroups> minimum;
};

// scales[16] q[64] d[2] dmin[2]
void unpack_q2_k(float* out, const std::byte* in, size_t blocks) {
  const auto scales_of = [](const std::byte* block) {
    GroupScales<16> scales{};
    for (size_t group = 0; group < 16; ++group) {
      const unsigned packed = byte_at(block, group);
      scales.scale[group] = half_at(block, 80) * static_cast<float>(packed & 15);
      scales.minimum[group] = half_at(block, 82) * static_cast<float>(packed >> 4);
    }
    return scales;
  };
  unpack_scaled<84>(
      out, in, blocks, scales_of, [](const std::byte* block, const auto& s, size_t i) {
        return s.scale[i / 16] * static_cast<float>(two_bits(block + 16, i)) - s.minimum[i / 16];
      });
}

// high bits[32] q[64] scales[12] d[2]
void unpack_q3_k(float* out, const std::byte* in, size_t blocks) {
  const auto scales_of = [](const std::byte* block) {
    std::array<float, 16> scales{};
    for (size_t group = 0; group < 16; ++group) {
      const unsigned low = byte_at(block, 96 + group % 8) >> (4 * (group / 8)) & 15;
      const unsigned high = byte_at(block, 104 + group % 4) >> (2 * (group / 4)) & 3;
      const int scale = static_cast<int>(low | high << 4) - 32;
      scales[group] = half_at(block, 108) * static_cast<float>(scale);
    }
    return scales;
  };
  unpack_scaled<110>(
      out, in, blocks, scales_of, [](const std::byte* block, const auto& s, size_t i) {
        const bool high = (byte_at(block, i % 32) >> (i / 32) & 1) != 0;
        return s[i / 16] * static_cast<float>(two_bits(block + 32, i) - (high ? 0 : 4));
      });
}

// What begins the blocks of Q4_K and Q5_K: d[2] dmin[2], then 6-bit scales and minima of 8 groups
// in 12 bytes.
GroupScales<8> six_bit_scales(const std::byte* block) {
  const std::byte* packed = block + 4;
  GroupScales<8> scales{};
  for (size_t group = 0; group < 8; ++group) {
    const size_t i = group % 4;
    unsigned scale = byte_at(packed, i);
    unsigned minimum = byte_at(packed, 4 + i);
    if (group < 4) {
      scale &= 63;
      minimum &= 63;
    } else {
      scale = (byte_at(packed, 8 + i) & 15) | (scale >> 2 & 48);
      minimum = byte_at(packed, 8 + i) >> 4 | (minimum >> 2 & 48);
    }
    scales.scale[group] = half_at(block, 0) * static_cast<float>(scale);
    scales.minimum[group] = half_at(block, 2) * static_cast<float>(minimum);
  }
  return scales;
}

// Element `i` of nibbles of which each `width` bytes hold 2 * width elements, low ones first.
int nibble_of(const std::byte* nibbles, size_t i, size_t width) {
  const size_t at = i / (2 * width) * width + i % width;
  return static_cast<int>(byte_at(nibbles, at) >> (4 * (i / width % 2)) & 15);
}

// d[2] dmin[2] scales[12] q[128]
void unpack_q4_k(float* out, const std::byte* in, size_t blocks) {
  unpack_scaled<144>(out, in, blocks, six_bit_scales,
                     [](const std::byte* block, const auto& s, size_t i) {
                       const auto q = static_cast<float>(nibble_of(block + 16, i, 32));
                       return s.scale[i / 32] * q - s.minimum[i / 32];
                     });
}

// d[2] dmin[2] scales[12] high bits[32] q[128]
void unpack_q5_k(float* out, const std::byte* in, size_t blocks) {
  unpack_scaled<176>(
      out, in, blocks, six_bit_scales, [](const std::byte* block, const auto& s, size_t i) {
        const auto high = static_cast<int>(byte_at(block, 16 + i % 32) >> (i / 32) & 1);
        const auto q = static_cast<float>(nibble_of(block + 48, i, 32) | high << 4);
        return s.scale[i / 32] * q - s.minimum[i / 32];
      });
}

// low bits[128] high bits[64] scales[16] d[2]
void unpack_q6_k(float* out, const std::byte* in, size_t blocks) {
  unpack_each<kLarge, 210>(out, in, blocks, [](const std::byte* block, size_t i) {
    const int q = (nibble_of(block, i, 64) | two_bits(block + 128, i) << 4) - 32;
    const auto scale = static_cast<float>(signed_byte_at(block, 192 + i / 16));
    return half_at(block, 208) * scale * static_cast<float>(q);
  });
}

constexpr std::array<int8_t, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

// d[2] q[16]
void unpack_iq4_nl(float* out, const std::byte* in, size_t blocks) {
  unpack_each<kSmall, 18>(out, in, blocks, [](const std::byte* block, size_t i) {
    return half_at(block, 0) * static_cast<float>(kIq4Values[nibble(block + 2, i)]);
  });
}

// d[2] high bits of scales[2] low bits[4] q[128]
void unpack_iq4_xs(float* out, const std::byte* in, size_t blocks) {
  const auto scales_of = [](const std::byte* block) {
    std::array<float, 8> scales{};
    for (size_t group = 0; group < 8; ++group) {
      const unsigned low = byte_at(block, 4 + group / 2) >> (4 * (group % 2)) & 15;
      const unsigned high = integer_at<uint16_t>(block, 2) >> (2 * group) & 3;
      scales[group] =
          half_at(block, 0) * static_cast<float>(static_cast<int>(low | high << 4) - 32);
    }
    return scales;
  };
  unpack_scaled<136>(
      out, in, blocks, scales_of, [](const std::byte* block, const auto& s, size_t i) {
        return s[i / 32] * static_cast<float>(kIq4Values[nibble_of(block + 8, i, 16)]);
      });
}

// The values of e2m1, doubled, and half of 2^(exponent - 127), which may be subnormal (OCP
// Microscaling Formats 1.0).
constexpr std::array<int8_t, 16> kE2m1Values = {0, 1,  2,  3,  4,  6,  8,  12,
                                                0, -1, -2, -3, -4, -6, -8, -12};
float half_power(unsigned exponent) {
  const uint32_t bits = exponent < 2 ? 0x00200000U << exponent : (exponent - 1) << 23;
  return std::bit_cast<float>(bits);
}

// exponent[1] q[16]
void unpack_mxfp4(float* out, const std::byte* in, size_t blocks) {
  unpack_each<kSmall, 17>(out, in, blocks, [](const std::byte* block, size_t i) {
    return half_power(byte_at(block, 0)) * static_cast<float>(kE2m1Values[nibble(block + 1, i)]);
  });
}

// Those without a dtype are known only so that messages can name them.
constexpr PackedType kPackedTypes[] = {
    {0, "F32", 1, 4, DType::kF32},
    {1, "F16", 1, 2, DType::kF16},
    {2, "Q4_0", kSmall, 18, DType::kF32, unpack_q4_0},
    {3, "Q4_1", kSmall, 20, DType::kF32, unpack_q4_1},
    {6, "Q5_0", kSmall, 22, DType::kF32, unpack_q5_0},
    {7, "Q5_1", kSmall, 24, DType::kF32, unpack_q5_1},
    {8, "Q8_0", kSmall, 34, DType::kF32, unpack_q8_0},
    {10, "Q2_K", kLarge, 84, DType::kF32, unpack_q2_k},
    {11, "Q3_K", kLarge, 110, DType::kF32, unpack_q3_k},
    {12, "Q4_K", kLarge, 144, DType::kF32, unpack_q4_k},
    {13, "Q5_K", kLarge, 176, DType::kF32, unpack_q5_k},
    {14, "Q6_K", kLarge, 210, DType::kF32, unpack_q6_k},
    {16, "IQ2_XXS", kLarge, 66, {}},
    {17, "IQ2_XS", kLarge, 74, {}},
    {18, "IQ3_XXS", kLarge, 98, {}},
    {19, "IQ1_S", kLarge, 50, {}},
    {20, "IQ4_NL", kSmall, 18, DType::kF32, unpack_iq4_nl},
    {21, "IQ3_S", kLarge, 110, {}},
    {22, "IQ2_S", kLarge, 82, {}},
    {23, "IQ4_XS", kLarge, 136, DType::kF32, unpack_iq4_xs},
    {24, "I8", 1, 1, {}},
    {25, "I16", 1, 2, {}},
    {26, "I32", 1, 4, {}},
    {27, "I64", 1, 8, {}},
    {28, "F64", 1, 8, {}},
    {29, "IQ1_M", kLarge, 56, {}},
    {30, "BF16", 1, 2, DType::kBF16},
    {34, "TQ1_0", kLarge, 54, {}},
    {35, "TQ2_0", kLarge, 66, {}},
    {39, "MXFP4", kSmall, 17, DType::kF32, unpack_mxfp4},
};

}  // namespace

const PackedType* find_packed_type(uint32_t id) {
  const auto* found = std::find_if(std::begin(kPackedTypes), std::end(kPackedTypes),
                                   [&](const PackedType& type) { return type.id == id; });
  return found == std::end(kPackedTypes) ? nullptr : found;
}

}  // namespace eet
