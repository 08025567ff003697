// The element types of GGUF tensors and what their packed blocks hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "lib/core/dtype.h"

namespace eet {

// Elements that lie together: a block of `elements` takes `bytes`.
struct PackedType {
  uint32_t id = 0;  // ggml_type of ggml.h
  std::string_view name;
  size_t elements = 1;
  size_t bytes = 0;
  std::optional<DType> dtype;  // that the loader gives; nothing where it cannot read the type
  // Writes the fp32 values of `blocks` blocks to `out` ([blocks * elements]). Null where elements
  // lie as `dtype` has them, and where there is no dtype.
  void (*unpack)(float* out, const std::byte* in, size_t blocks) = nullptr;
  // The same where the blocks' scales lie apart (formats/mxfp4.h).
  void (*unpack_scaled)(float* out, const std::byte* in, const std::byte* scales,
                        size_t blocks) = nullptr;
};

// The type with this id, or null. Its values, once unpacked, equal those of gguf-py's
// gguf.quants.dequantize to the bit.
const PackedType* find_packed_type(uint32_t id);

}  // namespace eet
