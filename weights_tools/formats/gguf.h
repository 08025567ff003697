// Reading GGUF files (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata as typed
// values, then tensors, of which the elements may be packed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "weights_tools/formats/safetensors.h"
#include "weights_tools/mapped_file.h"

namespace eet {

// A value of the metadata. Integers and floats of all widths become the widest of their kind;
// strings point into the file.
using GgufValue = std::variant<bool, uint64_t, int64_t, double, std::string_view, std::vector<bool>,
                               std::vector<uint64_t>, std::vector<int64_t>, std::vector<double>,
                               std::vector<std::string_view>>;

// The metadata of a file. Getters give nothing where there is no such key, and throw Error naming
// file and key where the value is of another type.
class GgufMetadata {
 public:
  using Values = std::map<std::string_view, GgufValue>;

  GgufMetadata() = default;
  GgufMetadata(std::shared_ptr<const MappedFile> file, Values values)
      : file_(std::move(file)), values_(std::move(values)) {}

  const Values& values() const { return values_; }
  const GgufValue* find(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<std::string_view> string(std::string_view key) const;
  std::vector<std::string_view> strings(std::string_view key) const;  // empty where there are none
  std::vector<double> numbers(std::string_view key) const;  // likewise, of any number type

  // Throws the Error for a value that is not understood: "FILE: KEY: expected EXPECTED".
  [[noreturn]] void refuse(std::string_view key, std::string_view expected) const;

  std::string file_name() const { return file_->path().string(); }

 private:
  std::shared_ptr<const MappedFile> file_;  // that strings point into
  Values values_;
};

struct Gguf {
  uint32_t version = 0;
  GgufMetadata metadata;  // of the first file
  StoredTensors tensors;  // of all files
};

// Whether `path` is named *.gguf or begins as such a file does.
bool is_gguf(const std::filesystem::path& path);

// The files of the model whose first one is `first`: that alone, or, where its name says that it is
// the first of N (NAME-00001-of-0000N.gguf), all of them.
std::vector<std::filesystem::path> gguf_files(const std::filesystem::path& first);

// Reads version 2 or 3, little endian, and for the first file of a split model
// (NAME-00001-of-0000N.gguf) those beside it as well. Refuses counts, lengths and offsets that lead
// out of the file, duplicate keys and tensors, tensors that overlap or are not aligned, and nested
// arrays. Time and memory are linear in the size of the metadata. Throws Error naming file and key
// or tensor.
Gguf read_gguf(const std::filesystem::path& path);

}  // namespace eet
