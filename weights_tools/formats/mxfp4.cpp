#include "weights_tools/formats/mxfp4.h"

#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "lib/core/error.h"
#include "weights_tools/formats/gguf_quants.h"

namespace eet {
namespace {

constexpr size_t kBlockElements = 32;
constexpr size_t kBlockBytes = kBlockElements / 2;

constexpr std::array<float, 16> kValues = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                           -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};

// The values of a block of this scale: times 2^(scale - 127), as torch.ldexp has them.
std::array<float, 16> scaled_values(std::byte scale) {
  std::array<float, 16> values = kValues;
  for (float& value : values) value = std::ldexp(value, std::to_integer<int>(scale) - 127);
  return values;
}

void unpack_blocks(float* out, const std::byte* in, const std::byte* scales, size_t blocks) {
  for (size_t block = 0; block < blocks; ++block) {
    const std::array<float, 16> values = scaled_values(scales[block]);
    for (size_t i = 0; i < kBlockBytes; ++i) {
      const auto byte = std::to_integer<unsigned>(in[block * kBlockBytes + i]);
      *out++ = values[byte & 0xF];
      *out++ = values[byte >> 4];
    }
  }
}

constexpr PackedType kMxfp4 = {.name = "MXFP4",
                               .elements = kBlockElements,
                               .bytes = kBlockBytes,
                               .dtype = DType::kBF16,
                               .unpack_scaled = unpack_blocks};

// The tensor that `blocks` and `scales` make.
StoredTensor joined(const std::string& name, const StoredTensor& blocks,
                    const StoredTensor& scales) {
  const std::string where = concat(blocks.file->path().string(), ": ", name);
  std::vector<int64_t> shape = blocks.shape;
  require(scales.type_name == "U8" && shape.size() >= 2 &&
              shape.back() == static_cast<int64_t>(kBlockBytes),
          where, ": expected MXFP4 blocks as U8 [..., ", kBlockBytes, "] with scales as U8");
  shape.pop_back();
  require(scales.shape == shape, where,
          ": expected one scale for each MXFP4 block, but the shapes differ");
  shape.back() *= static_cast<int64_t>(kBlockElements);
  return {.type_name = "MXFP4",
          .dtype = kMxfp4.dtype,
          .shape = std::move(shape),
          .data = blocks.data,
          .file = blocks.file,
          .packed = &kMxfp4,
          .scales = scales.data,
          .scales_file = scales.file};
}

}  // namespace

void join_mxfp4(StoredTensors& tensors) {
  constexpr std::string_view kBlocks = "_blocks";
  for (auto& [name, tensor] : tensors) {
    if (!name.ends_with(kBlocks) || tensor.type_name != "U8") continue;
    const std::string of_scales = name.substr(0, name.size() - kBlocks.size()) + "_scales";
    const auto scales = tensors.find(of_scales);
    require(scales != tensors.end(), tensor.file->path().string(), ": tensor ", of_scales,
            " is missing: expected the scales of ", name);
    tensor = joined(name, tensor, scales->second);
    tensors.erase(scales);
  }
}

}  // namespace eet
