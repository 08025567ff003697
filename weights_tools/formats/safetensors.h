// Reading and writing safetensors files: an 8-byte little-endian header length, a JSON header, then
// the tensors' bytes without gaps (https://github.com/huggingface/safetensors#format).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/core/dtype.h"
#include "weights_tools/mapped_file.h"
#include "weights_tools/output_file.h"

namespace eet {

struct PackedType;

// A tensor as a file holds it. `data` may be misaligned for its type: nothing in the format aligns.
struct StoredTensor {
  std::string type_name;       // the file's own word: "BF16", "I64"
  std::optional<DType> dtype;  // nothing when the runtime cannot compute with the type
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
  std::shared_ptr<const MappedFile> file;
  const PackedType* packed = nullptr;  // how elements lie; null: as `dtype` has them, one by one
  // Where a packed type has the scales of its blocks apart.
  const std::byte* scales = nullptr;
  std::shared_ptr<const MappedFile> scales_file = nullptr;
};

using StoredTensors = std::map<std::string, StoredTensor, std::less<>>;

// The tensors of one file. Refuses what the reference implementation refuses (a header longer than
// the file, unknown types, sizes that overflow or do not match the shape, ranges that overlap,
// leave holes or do not end with the file), and duplicate names. Throws Error naming file and
// tensor.
StoredTensors read_safetensors(const std::filesystem::path& path);

// The files with the weights of `directory`: model.safetensors, or the shards that
// model.safetensors.index.json names, in the directory or below it. Throws Error.
std::vector<std::filesystem::path> safetensors_files(const std::filesystem::path& directory);

// The tensors of these files. What an index lists and no shard has is no error here.
StoredTensors read_safetensors_directory(const std::filesystem::path& directory);

// What a file to be written will hold.
struct TensorHeader {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
};

// Writes one file, tensor after tensor, holding none of them. The data begins at a multiple of 64
// bytes. Throws Error on a failed write.
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& path, std::span<const TensorHeader> tensors);

  // The next bytes of the tensors, in the order given to the constructor.
  void append(std::span<const std::byte> bytes);

  // Makes the file durable. Every byte that the header promises must have been appended.
  void finish();

 private:
  OutputFile file_;
  size_t bytes_left_ = 0;
};

}  // namespace eet
