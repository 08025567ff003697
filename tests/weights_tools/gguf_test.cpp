#include "weights_tools/formats/gguf.h"

#include <doctest/doctest.h>

#include "lib/core/error.h"
#include "tests/weights_tools/gguf_bytes.h"
#include "tests/weights_tools/test_files.h"

namespace eet {
namespace {

constexpr uint32_t kF32Type = 0;
constexpr uint32_t kQ80Type = 8;

// What reading a file of these bytes says.
std::string message_for(const std::string& bytes) {
  const TempDirectory directory;
  write_file(directory / "x.gguf", bytes);
  return message_of([&] { read_gguf(directory / "x.gguf"); });
}

GgufBytes small_file() {
  GgufBytes bytes;
  bytes.string("general.architecture", "llama").uint32("count", 7).float32("eps", 0.5F);
  bytes.boolean("flag", true).strings("words", {"a", "", "bc"});
  bytes.numbers<int32_t>("kinds", 5, {1, -2, 3});
  bytes.tensor("a", {2, 3}, kF32Type, std::string(24, 'x'));
  bytes.tensor("b", {32}, kQ80Type, std::string(34, 'y'));
  return bytes;
}

TEST_CASE("a GGUF file gives its values by type and its tensors row-major") {
  const TempDirectory directory;
  write_file(directory / "x.gguf", small_file().file());
  const Gguf gguf = read_gguf(directory / "x.gguf");
  CHECK(gguf.version == 3);
  CHECK(gguf.metadata.string("general.architecture") == "llama");
  CHECK(gguf.metadata.integer("count") == 7);
  CHECK(std::get<double>(*gguf.metadata.find("eps")) == 0.5);
  CHECK(gguf.metadata.boolean("flag") == true);
  CHECK(gguf.metadata.strings("words") == std::vector<std::string_view>{"a", "", "bc"});
  CHECK(gguf.metadata.numbers("kinds") == std::vector<double>{1, -2, 3});
  CHECK_FALSE(gguf.metadata.integer("absent").has_value());
  REQUIRE(gguf.tensors.size() == 2);
  const StoredTensor& a = gguf.tensors.at("a");
  CHECK(a.shape == std::vector<int64_t>{3, 2});
  CHECK(a.dtype == DType::kF32);
  CHECK(a.packed == nullptr);
  CHECK(std::string(reinterpret_cast<const char*>(a.data), 24) == std::string(24, 'x'));
  const StoredTensor& b = gguf.tensors.at("b");
  CHECK(b.type_name == "Q8_0");
  CHECK(b.packed != nullptr);
  CHECK(std::string(reinterpret_cast<const char*>(b.data), 34) == std::string(34, 'y'));
}

TEST_CASE("a GGUF value of another type is refused by its key") {
  const TempDirectory directory;
  write_file(directory / "x.gguf", small_file().file());
  const GgufMetadata metadata = read_gguf(directory / "x.gguf").metadata;
  CHECK(contains(message_of([&] { (void)metadata.integer("eps"); }),
                 "x.gguf: eps: expected an integer"));
  CHECK(contains(message_of([&] { (void)metadata.string("count"); }), "count: expected a string"));
  CHECK(contains(message_of([&] { (void)metadata.boolean("count"); }), "count: expected a bool"));
  CHECK(contains(message_of([&] { (void)metadata.strings("kinds"); }), "an array of strings"));
  CHECK(contains(message_of([&] { (void)metadata.numbers("words"); }), "an array of numbers"));
}

TEST_CASE("a GGUF file that is cut off is refused, wherever the cut is") {
  const std::string whole = small_file().file();
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(contains(message_for(whole.substr(0, size)), "x.gguf"));
  }
  CHECK(message_for(whole) == "no error");
  CHECK(message_for(whole + std::string(31, '\0')) == "no error");  // padding
}

TEST_CASE("other files, versions and byte orders are refused by name") {
  CHECK(contains(message_for("GGML" + std::string(60, '\0')), "begins with \"GGUF\""));
  CHECK(message_for(GgufBytes(2).file()) == "no error");
  CHECK(contains(message_for(GgufBytes(1).file()), "expected GGUF version 2 or 3, got 1"));
  CHECK(contains(message_for(GgufBytes(4).file()), "got 4"));
  CHECK(contains(message_for(GgufBytes(0).file()), "got 0"));
  CHECK(contains(message_for(GgufBytes(0x03000000).file()), "got a big-endian one"));
}

TEST_CASE("damaged GGUF values are refused by key") {
  const auto with_value = [](uint32_t type, const std::string& bytes) {
    return message_for(GgufBytes().value("k", type, bytes).file());
  };
  const auto number = [](uint64_t value) { return GgufBytes::number_bytes(value); };
  const auto type = [](uint32_t value) { return GgufBytes::number_bytes(value); };
  CHECK(contains(with_value(13, ""), "x.gguf: k: expected a value type from 0 to 12, got 13"));
  CHECK(contains(with_value(7, "\2"), "k: expected a bool of 0 or 1, got 2"));
  CHECK(contains(with_value(8, number(UINT64_MAX)), "k: takes 18446744073709551615 bytes"));
  CHECK(contains(with_value(9, type(0) + number(1 << 25)), "at most 16777216 elements"));
  CHECK(contains(with_value(9, type(4) + number(1 << 20)), "k: takes 4 bytes, but the file ends"));
  CHECK(contains(with_value(9, type(9) + number(1) + type(0) + number(0)), "an array of arrays"));
  CHECK(contains(message_for(GgufBytes().uint32("k", 1).uint32("k", 1).file()),
                 "k: expected one value, got a second one"));
  for (const uint32_t alignment : {0U, 3U, 48U, 0x80000000U}) {
    CHECK(contains(message_for(GgufBytes().uint32("general.alignment", alignment).file()),
                   "general.alignment: expected a power of two"));
  }
}

TEST_CASE("GGUF tensors out of place are refused by name") {
  const auto with = [](const std::vector<uint64_t>& sizes, uint32_t type, int64_t offset = -1) {
    return message_for(GgufBytes().tensor("t", sizes, type, std::string(64, '\0'), offset).file());
  };
  CHECK(with({16}, kF32Type) == "no error");
  CHECK(with({}, kF32Type) == "no error");  // a scalar
  CHECK(contains(with({17}, kF32Type), "t: takes 68 bytes at offset 0"));
  CHECK(contains(with({4}, kF32Type, 8), "t: expected an offset that is a multiple of 32, got 8"));
  CHECK(contains(with({4}, kF32Type, 96), "at offset 96"));
  CHECK(contains(with({1, 1, 1, 1, 1}, kF32Type), "at most 4 dimensions, got 5"));
  CHECK(contains(with({0}, kF32Type), "a size from 1"));
  CHECK(contains(with({1ULL << 63}, kF32Type), "a size from 1"));
  CHECK(contains(with({1ULL << 33, 1ULL << 33}, kF32Type), "fewer than 2^64 elements"));
  CHECK(contains(with({1ULL << 62}, kF32Type), "fewer than 2^64 bytes"));
  CHECK(contains(with({33}, kQ80Type), "t: expected rows of a multiple of 32 elements for Q8_0"));
  CHECK(contains(with({4}, 99), "t: expected a tensor type of GGML that files may hold, got 99"));
  const std::string data(32, '\0');
  CHECK(
      contains(message_for(GgufBytes().tensor("t", {8}, 0, data).tensor("t", {8}, 0, data).file()),
               "t: expected one tensor of this name, got two"));
  CHECK(
      contains(message_for(GgufBytes().tensor("t", {9}, 0, data).tensor("u", {8}, 0, data).file()),
               "u: overlaps t"));
}

TEST_CASE("the files of a split GGUF model are joined") {
  const TempDirectory directory;
  const auto part = [](uint16_t number, uint16_t count, int32_t tensors, const std::string& name) {
    GgufBytes bytes;
    bytes.uint16("split.no", number).uint16("split.count", count);
    bytes.int32("split.tensors.count", tensors);
    return bytes.tensor(name, {8}, kF32Type, std::string(32, '\0')).file();
  };
  const auto first = directory / "m-00001-of-00002.gguf";
  const auto second = directory / "m-00002-of-00002.gguf";
  write_file(first, part(0, 2, 2, "a"));
  CHECK(contains(message_of([&] { read_gguf(first); }), "m-00002-of-00002.gguf"));
  write_file(second, part(1, 2, 2, "b"));
  const Gguf gguf = read_gguf(first);
  CHECK(gguf.tensors.size() == 2);
  CHECK(gguf.tensors.at("b").file->path() == second);
  CHECK(contains(message_of([&] { read_gguf(second); }),
                 "expected the first of a model's 2 files, got number 2"));
  write_file(second, part(1, 2, 2, "a"));
  CHECK(contains(message_of([&] { read_gguf(first); }), "a: already in m-00001-of-00002.gguf"));
  write_file(second, part(0, 2, 2, "b"));
  CHECK(contains(message_of([&] { read_gguf(first); }), "split.no: expected 1, got 0"));
  write_file(second, part(1, 2, 2, "b"));
  write_file(first, part(0, 2, 3, "a"));
  CHECK(contains(message_of([&] { read_gguf(first); }), "expected 3 tensors in 2 files, got 2"));
  CHECK(contains(message_for(part(0, 2, 2, "a")), "expected a name that ends in -00001-of-00002"));
}

}  // namespace
}  // namespace eet
