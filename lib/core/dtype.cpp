#include "lib/core/dtype.h"

#include <bit>
#include <cstring>

#include "lib/core/error.h"

namespace eet {

std::string_view dtype_name(DType type) {
  switch (type) {
    case DType::kF32:
      return "fp32";
    case DType::kF16:
      return "fp16";
    case DType::kBF16:
      return "bf16";
    case DType::kI32:
      return "int32";
  }
  return "?";
}

std::optional<DType> parse_dtype(std::string_view name) {
  if (name == "fp32" || name == "float32" || name == "float") return DType::kF32;
  if (name == "fp16" || name == "float16" || name == "half") return DType::kF16;
  if (name == "bf16" || name == "bfloat16") return DType::kBF16;
  return std::nullopt;
}

float bf16_to_f32(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

float f16_to_f32(uint16_t bits) {
  const uint32_t sign = (bits & 0x8000U) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1FU;
  const uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  // Subnormal: mantissa * 2^-24 is exact in fp32.
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
}

uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return static_cast<uint16_t>(sign | 0x7E00U);
  if (magnitude >= 0x477FF000U)
    return static_cast<uint16_t>(sign | 0x7C00U);  // >= 65520 rounds to inf
  if (magnitude <
      0x38800000U) {  // below 2^-14: adding 0.5 leaves the rounded subnormal in the low bits
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3F000000U));
  }
  const uint32_t rounded = magnitude + 0xFFFU + ((magnitude >> 13) & 1U);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

void convert_elements(void* out, DType out_type, const void* in, DType in_type, size_t count) {
  if (count == 0) return;
  if (out_type == in_type) {
    std::memcpy(out, in, count * dtype_size(in_type));
    return;
  }
  require(out_type != DType::kI32 && in_type != DType::kI32,
          "convert_elements: int32 does not convert");
  const auto* in16 = static_cast<const uint16_t*>(in);
  const auto* in32 = static_cast<const float*>(in);
  auto* out16 = static_cast<uint16_t*>(out);
  auto* out32 = static_cast<float*>(out);
  // One tight loop for each pair, so that each is vectorised.
  const auto loop = [count](auto&& element) {
    for (size_t i = 0; i < count; ++i) element(i);
  };
  if (in_type == DType::kBF16 && out_type == DType::kF32) {
    loop([&](size_t i) { out32[i] = bf16_to_f32(in16[i]); });
  } else if (in_type == DType::kF16 && out_type == DType::kF32) {
    loop([&](size_t i) { out32[i] = f16_to_f32(in16[i]); });
  } else if (in_type == DType::kF32 && out_type == DType::kBF16) {
    loop([&](size_t i) { out16[i] = f32_to_bf16(in32[i]); });
  } else if (in_type == DType::kF32 && out_type == DType::kF16) {
    loop([&](size_t i) { out16[i] = f32_to_f16(in32[i]); });
  } else if (in_type == DType::kF16) {
    loop([&](size_t i) { out16[i] = f32_to_bf16(f16_to_f32(in16[i])); });
  } else {
    loop([&](size_t i) { out16[i] = f32_to_f16(bf16_to_f32(in16[i])); });
  }
}

}  // namespace eet
