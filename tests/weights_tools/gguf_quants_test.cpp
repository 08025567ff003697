#include "weights_tools/formats/gguf_quants.h"

#include <doctest/doctest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/weights_tools/test_files.h"

namespace eet {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

TEST_CASE("packed blocks unpack to the bits that gguf-py gives") {
  const auto goldens =
      nlohmann::json::parse(read_file(EET_SOURCE_DIR "/tests/weights_tools/gguf_quants.json"));
  REQUIRE(goldens.size() == 16);
  for (const auto& golden : goldens) {
    CAPTURE(golden["type"]);
    const PackedType* type = find_packed_type(golden["id"].get<uint32_t>());
    REQUIRE(type != nullptr);
    CHECK(type->name == golden["type"].get<std::string>());
    const std::string blocks = from_hex(golden["blocks"]);
    const std::string expected = from_hex(golden["values"]);
    REQUIRE(blocks.size() % type->bytes == 0);
    const size_t count = blocks.size() / type->bytes;
    REQUIRE(expected.size() == count * type->elements * sizeof(float));
    std::string values(expected.size(), '\x7f');
    auto* out = reinterpret_cast<float*>(values.data());
    const auto* in = reinterpret_cast<const std::byte*>(blocks.data());
    if (type->unpack != nullptr) {
      type->unpack(out, in, count);
    } else {
      convert_elements(out, DType::kF32, in, type->dtype.value(), count);
    }
    for (size_t i = 0; i < values.size(); i += sizeof(float)) {
      CAPTURE(i / sizeof(float));
      REQUIRE(values.substr(i, sizeof(float)) == expected.substr(i, sizeof(float)));
    }
  }
}

TEST_CASE("types that cannot be unpacked are known by name, others not at all") {
  REQUIRE(find_packed_type(16) != nullptr);
  CHECK(find_packed_type(16)->name == "IQ2_XXS");
  CHECK_FALSE(find_packed_type(16)->dtype.has_value());
  CHECK(find_packed_type(4) == nullptr);  // Q4_2, which no longer exists
  CHECK(find_packed_type(UINT32_MAX) == nullptr);
}

}  // namespace
}  // namespace eet
