// A GGUF file: its metadata, that every tensor lies inside the file, that packed ones unpack, and
// that a model and a tokenizer are read or refused.
#include "weights_tools/formats/gguf.h"

#include <vector>

#include "app/job/text/model_tokenizer.h"
#include "lib/core/error.h"
#include "tests/fuzz/memory_file.h"
#include "weights_tools/checkpoint.h"
#include "weights_tools/formats/gguf_quants.h"

namespace eet {
namespace {

void check_tensor(const StoredTensor& tensor, size_t file_size) {
  size_t elements = 1;
  for (int64_t dim : tensor.shape) elements *= static_cast<size_t>(dim);
  const PackedType* packed = tensor.packed;
  const size_t bytes = packed != nullptr ? elements / packed->elements * packed->bytes
                       : tensor.dtype    ? elements * dtype_size(*tensor.dtype)
                                         : 0;
  expect(bytes <= file_size, "a tensor no larger than its file");
  const std::byte* begin = tensor.file->bytes().data();
  expect(tensor.data >= begin && tensor.data + bytes <= begin + file_size, "a tensor in its file");
  if (packed == nullptr || elements > size_t{1} << 16) return;
  std::vector<float> values(elements);
  packed->unpack(values.data(), tensor.data, elements / packed->elements);
}

void check_model(const std::string& path) {
  constexpr int64_t kLargest = 1 << 16;
  const Checkpoint checkpoint = open_checkpoint(path);
  for (const CheckpointTensor& tensor : checkpoint.tensors) {
    if (tensor.spec.numel() <= kLargest) checkpoint.loader(tensor.spec);
  }
}

void check_tokenizer(const std::string& path) {
  if (!has_tokenizer(path)) return;
  const auto tokenizer = open_tokenizer(path);
  for (const int32_t id : tokenizer->encode("ab <s>\n 12", /*add_special_tokens=*/true)) {
    expect(id >= 0 && id < tokenizer->vocab_size(), "an id of the vocabulary");
  }
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  static MemoryFile file;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  file.set(bytes);
  try {
    for (const auto& [name, tensor] : read_gguf(file.path()).tensors) {
      check_tensor(tensor, bytes.size());
    }
  } catch (const Error&) {
    return 0;
  }
  try {
    check_model(file.path());
  } catch (const Error&) {
  }
  try {
    check_tokenizer(file.path());
  } catch (const Error&) {
  } catch (const TokenizerError&) {
  }
  return 0;
}
