#include "weights_tools/formats/safetensors.h"

#include <doctest/doctest.h>

#include "lib/core/error.h"
#include "tests/weights_tools/test_files.h"

namespace eet {
namespace {

// What reading a file with this header and so many data bytes says.
std::string message_for(const std::string& header, size_t data_bytes) {
  const TempDirectory directory;
  write_file(directory / "x.safetensors", safetensors_bytes(header, std::string(data_bytes, '\0')));
  return message_of([&] { read_safetensors(directory / "x.safetensors"); });
}

TEST_CASE("a safetensors file gives its tensors, types, shapes and bytes") {
  const TempDirectory directory;
  write_file(directory / "x.safetensors", safetensors_bytes(R"({"__metadata__":{"format":"pt"},
                 "b":{"dtype":"I64","shape":[1],"data_offsets":[6,14]},
                 "a":{"dtype":"BF16","shape":[3,1],"data_offsets":[0,6]}})",
                                                            "abcdef12345678"));
  const StoredTensors tensors = read_safetensors(directory / "x.safetensors");
  REQUIRE(tensors.size() == 2);
  const StoredTensor& a = tensors.at("a");
  CHECK(a.dtype == DType::kBF16);
  CHECK(a.shape == std::vector<int64_t>{3, 1});
  CHECK(std::string(reinterpret_cast<const char*>(a.data), 6) == "abcdef");
  CHECK_FALSE(tensors.at("b").dtype.has_value());
  CHECK(tensors.at("b").type_name == "I64");
}

TEST_CASE("scalars and empty tensors are tensors") {
  CHECK(message_for(R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
                        "e":{"dtype":"F32","shape":[0,7],"data_offsets":[4,4]}})",
                    4) == "no error");
}

TEST_CASE("a safetensors file that is cut off is refused, wherever the cut is") {
  const std::string whole = safetensors_of({{"a", {4}}, {"b", {2, 2}}});
  const TempDirectory directory;
  for (size_t size = 0; size < whole.size(); ++size) {
    write_file(directory / "x.safetensors", whole.substr(0, size));
    const std::string message = message_of([&] { read_safetensors(directory / "x.safetensors"); });
    CAPTURE(size);
    CHECK(message != "no error");
    CHECK(contains(message, "x.safetensors"));
  }
}

TEST_CASE("a header length beyond the file or the limit is refused") {
  const TempDirectory directory;
  write_file(directory / "x.safetensors", std::string("\x10\0\0\0\0\0\0\0{}", 10));
  CHECK(contains(message_of([&] { read_safetensors(directory / "x.safetensors"); }), "truncated"));
  write_file(directory / "x.safetensors", std::string(64, '\xff'));
  CHECK(contains(message_of([&] { read_safetensors(directory / "x.safetensors"); }),
                 "is it a safetensors file?"));
}

TEST_CASE("offsets outside the file are refused by tensor and range") {
  const std::string message =
      message_for(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 12);
  CHECK(contains(message, ": a: data_offsets [0, 16] lie outside the file's 12 data bytes"));
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}})", 12),
                 "outside"));
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 12),
                 "not negative"));
  CHECK(contains(
      message_for(
          R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[18446744073709551615,18446744073709551615]}})",
          12),
      "not negative"));
}

TEST_CASE("overlapping tensors, holes and trailing bytes are refused") {
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                                 "b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                             12),
                 ": b: data_offsets overlap another tensor"));
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                                 "b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                             12),
                 ": b: data_offsets leave a hole of 4 bytes"));
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 12),
                 "8 bytes after the last tensor belong to none"));
}

TEST_CASE("a size that does not match shape and dtype is refused") {
  CHECK(contains(message_for(R"({"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,8]}})", 8),
                 ": a: expected 12 bytes for its dtype and shape, got data_offsets of 8"));
}

TEST_CASE("a shape whose bytes overflow 64 bits is refused") {
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","data_offsets":[0,0],
                                 "shape":[4294967296,4294967296]}})",
                             0),
                 "overflows 64 bits"));
}

TEST_CASE("malformed headers are refused with what is wrong") {
  CHECK(contains(message_for("not json", 0), "malformed JSON"));
  CHECK(contains(message_for("[]", 0), "expected a JSON object"));
  CHECK(contains(message_for(R"({"a":7})", 0), ": a: expected an object"));
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","shape":[0]}})", 0),
                 ": a: data_offsets is missing"));
  CHECK(contains(message_for(R"({"a":{"dtype":"F99","shape":[0],"data_offsets":[0,0]}})", 0),
                 "unknown dtype \"F99\""));
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","shape":"x","data_offsets":[0,0]}})", 0),
                 "shape: expected a list of integers"));
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,0]}})", 0),
                 "shape: expected a list of integers"));
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0]}})", 0),
                 "two integers"));
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"x":1}})", 0),
                 "unknown key \"x\""));
}

TEST_CASE("duplicate tensor names are refused") {
  CHECK(contains(message_for(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                                 "a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                             8),
                 "duplicate key \"a\""));
}

TEST_CASE("deeply nested JSON is refused without deep recursion") {
  const std::string message = message_for(std::string(1'000'000, '['), 0);
  CHECK(contains(message, "nested deeper than"));
}

TEST_CASE("a file that is no regular file, or empty, or absent is refused") {
  const TempDirectory directory;
  CHECK(contains(message_of([&] { read_safetensors(directory.path()); }), "regular file"));
  CHECK(contains(message_of([&] { read_safetensors(directory / "none"); }), "cannot open"));
  write_file(directory / "empty", "");
  CHECK(contains(message_of([&] { read_safetensors(directory / "empty"); }), "is empty"));
}

TEST_CASE("shards named by an index are read as one set of tensors") {
  const TempDirectory directory;
  write_file(directory / "one.safetensors", safetensors_of({{"a", {2}}}));
  write_file(directory / "two.safetensors", safetensors_of({{"b", {3}}}));
  write_file(directory / "model.safetensors.index.json",
             R"({"metadata":{"total_size":20},
                 "weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  const StoredTensors tensors = read_safetensors_directory(directory.path());
  CHECK(tensors.size() == 2);
  CHECK(tensors.at("b").file->path().filename() == "two.safetensors");
}

TEST_CASE("shards may be in folders below, which are no links that lead away") {
  const TempDirectory directory;
  const TempDirectory elsewhere;
  std::filesystem::create_directories(directory / "shards/deep");
  write_file(directory / "shards/deep/one.safetensors", safetensors_of({{"a", {2}}}));
  write_file(elsewhere / "one.safetensors", safetensors_of({{"a", {2}}}));
  std::filesystem::create_directory_symlink(elsewhere.path(), directory / "away");
  // A table that the index lists and no shard has is missed only where a model needs it.
  write_file(directory / "model.safetensors.index.json",
             R"({"weight_map":{"a":"shards/deep/one.safetensors",
                               "rotary_emb.inv_freq":"shards/deep/one.safetensors"}})");
  CHECK(read_safetensors_directory(directory.path()).size() == 1);
  write_file(directory / "model.safetensors.index.json",
             R"({"weight_map":{"a":"away/one.safetensors"}})");
  CHECK(contains(message_of([&] { read_safetensors_directory(directory.path()); }),
                 "expected a shard inside the model's folder"));
}

TEST_CASE("an index that leaves its directory, or does not match its shards, is refused") {
  const TempDirectory directory;
  write_file(directory / "one.safetensors", safetensors_of({{"a", {2}}}));
  write_file(directory / "two.safetensors", safetensors_of({{"a", {2}}}));
  const auto message_for_map = [&](const std::string& weight_map) {
    write_file(directory / "model.safetensors.index.json", R"({"weight_map":)" + weight_map + "}");
    return message_of([&] { read_safetensors_directory(directory.path()); });
  };
  for (const char* name : {"../one.safetensors", "/etc/passwd", "..", ".", "", "sub/../../one",
                           "sub/", "a\\\\b", "a\\u0000b"}) {
    CAPTURE(name);
    CHECK(contains(message_for_map(R"({"a":")" + std::string(name) + "\"}"),
                   "expected the name of a file in the same directory"));
  }
  CHECK(contains(message_for_map("7"), "weight_map: expected an object"));
  CHECK(contains(message_for_map(R"({"a":7})"), "expected the name of a file"));
  CHECK(contains(message_for_map(R"({"a":"gone.safetensors"})"), "gone.safetensors: cannot open"));
  CHECK(contains(message_for_map(R"({"a":"one.safetensors","b":"two.safetensors"})"),
                 "a: already in one.safetensors"));
}

TEST_CASE("a directory without safetensors says what is looked for") {
  const TempDirectory directory;
  write_file(directory / "pytorch_model.bin", "x");
  const std::string message = message_of([&] { read_safetensors_directory(directory.path()); });
  CHECK(contains(message, "expected model.safetensors or model.safetensors.index.json"));
}

TEST_CASE("what the writer writes reads back, with data at a multiple of 64 bytes") {
  const TempDirectory directory;
  const std::vector<TensorHeader> headers = {{"second", DType::kF16, {3}},
                                             {"first", DType::kF32, {1, 2}}};
  SafetensorsWriter writer(directory / "x", headers);
  const std::string data = "abcdef12345678";
  writer.append(std::as_bytes(std::span(data).first(5)));
  writer.append(std::as_bytes(std::span(data).subspan(5)));
  writer.finish();
  const StoredTensors tensors = read_safetensors(directory / "x");
  const StoredTensor& second = tensors.at("second");
  CHECK(reinterpret_cast<uintptr_t>(second.data) % 64 == 0);
  CHECK(std::string(reinterpret_cast<const char*>(second.data), 6) == "abcdef");
  CHECK(tensors.at("first").shape == std::vector<int64_t>{1, 2});
}

TEST_CASE("the writer refuses more or fewer bytes than its header promises") {
  const TempDirectory directory;
  const std::vector<TensorHeader> headers = {{"a", DType::kF32, {1}}};
  const std::string data = "12345678";
  SafetensorsWriter writer(directory / "x", headers);
  CHECK_THROWS_AS(writer.append(std::as_bytes(std::span(data))), Error);
  CHECK_THROWS_AS(writer.finish(), Error);
}

}  // namespace
}  // namespace eet
