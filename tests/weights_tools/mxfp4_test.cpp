#include "weights_tools/formats/mxfp4.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "lib/core/error.h"
#include "tests/weights_tools/test_files.h"
#include "weights_tools/stored_parts.h"

namespace eet {
namespace {

using nlohmann::json;

std::string bytes_of(const json& numbers) {
  std::string bytes;
  for (const auto& number : numbers) bytes += static_cast<char>(number.get<int>());
  return bytes;
}

// A file with the tensors "w_blocks" and "w_scales" of these shapes.
std::string file_of(const json& blocks_shape, const json& scales_shape, const std::string& blocks,
                    const std::string& scales) {
  const json header = {
      {"w_blocks",
       {{"dtype", "U8"}, {"shape", blocks_shape}, {"data_offsets", {0, blocks.size()}}}},
      {"w_scales",
       {{"dtype", "U8"},
        {"shape", scales_shape},
        {"data_offsets", {blocks.size(), blocks.size() + scales.size()}}}}};
  return safetensors_bytes(header.dump(), blocks + scales);
}

StoredTensors read_joined(const std::string& file) {
  const TempDirectory directory;
  write_file(directory / "model.safetensors", file);
  StoredTensors tensors = read_safetensors(directory / "model.safetensors");
  join_mxfp4(tensors);
  return tensors;
}

bool is_nan(uint16_t bf16) {
  return (bf16 & 0x7FFF) > 0x7F80;
}

TEST_CASE("MXFP4 blocks unpack to the bits of bf16 that transformers gives") {
  const json golden = json::parse(read_file(EET_SOURCE_DIR "/tests/weights_tools/mxfp4.json"));
  const int64_t blocks = static_cast<int64_t>(golden["scales"].size());
  const StoredTensors tensors = read_joined(file_of(
      {1, blocks, 16}, {1, blocks}, bytes_of(golden["blocks"]), bytes_of(golden["scales"])));
  REQUIRE(tensors.size() == 1);
  const StoredTensor& stored = tensors.at("w_blocks");
  CHECK(stored.dtype == DType::kBF16);
  CHECK(stored.shape == std::vector<int64_t>{1, 32 * blocks});

  // All of it, and the second half, as another expert's part.
  for (const int64_t first : {int64_t{0}, 32 * blocks / 2}) {
    const int64_t count = 32 * blocks - first;
    const StoredPart part{
        {.name = "w", .shape = {1, count}, .stored = stored.shape, .first = first}, stored};
    HostTensor tensor = join_parts({part}, {1, count}, DType::kBF16, {});
    const auto* values = static_cast<const uint16_t*>(contiguous_data(tensor));
    for (int64_t i = 0; i < count; ++i) {
      CAPTURE(i);
      const auto expected = golden["bits"][static_cast<size_t>(first + i)].get<uint16_t>();
      REQUIRE((values[i] == expected || (is_nan(values[i]) && is_nan(expected))));
    }
  }
}

TEST_CASE("MXFP4 blocks without fitting scales are refused by name") {
  const std::string blocks(64, '\1');
  const auto message = [&](const json& blocks_shape, const json& scales_shape) {
    const std::string scales(scales_shape.back().get<size_t>(), '\1');
    return message_of([&] { read_joined(file_of(blocks_shape, scales_shape, blocks, scales)); });
  };
  CHECK(message({4, 16}, json::array({4})) == "no error");
  CHECK(message({4, 16}, json::array({3})).find("w_blocks: expected one scale for each") !=
        std::string::npos);
  CHECK(message({8, 8}, json::array({8})).find("w_blocks: expected MXFP4 blocks as U8 [..., 16]") !=
        std::string::npos);
}

}  // namespace
}  // namespace eet
