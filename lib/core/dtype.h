// Element types of tensors, and conversions between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace eet {

enum class DType { kF32, kF16, kBF16, kI32 };

// Bytes of one element.
constexpr size_t dtype_size(DType type) {
  return type == DType::kF32 || type == DType::kI32 ? 4 : 2;
}

// "fp32", "fp16", "bf16", "int32": the spelling of --dtype and of messages.
std::string_view dtype_name(DType type);

// The inverse of dtype_name for the floating types (also "float32", "float16", "bfloat16", "half",
// "float"); nothing for any other word.
std::optional<DType> parse_dtype(std::string_view name);

// IEEE half and bfloat16 bit patterns; to_*: round to nearest even, NaN stays NaN.
float f16_to_f32(uint16_t bits);
float bf16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);
uint16_t f32_to_bf16(float value);

// Converts `count` floating elements. Ranges must not overlap.
void convert_elements(void* out, DType out_type, const void* in, DType in_type, size_t count);

}  // namespace eet
