// A safetensors file: its header, and that every tensor lies inside the file.
#include "weights_tools/formats/safetensors.h"

#include <cstring>
#include <string>

#include "lib/core/error.h"
#include "tests/fuzz/memory_file.h"

namespace eet {
namespace {

// The input without the header's length, which mutations would seldom keep: the first byte counts
// the bytes of data behind the header, or says with 255 that the input is the whole file.
std::string file_bytes(FuzzInput input) {
  const size_t data_bytes = input.byte();
  if (data_bytes == 255 || input.rest().size() < data_bytes) return std::string(input.rest());
  const uint64_t header_bytes = input.rest().size() - data_bytes;
  std::string bytes(sizeof header_bytes, '\0');
  std::memcpy(bytes.data(), &header_bytes, sizeof header_bytes);
  return bytes.append(input.rest());
}

void check_tensor(const StoredTensor& tensor, size_t file_size) {
  size_t elements = 1;
  for (int64_t dim : tensor.shape) elements *= static_cast<size_t>(dim);
  const size_t bytes = tensor.dtype ? elements * dtype_size(*tensor.dtype) : elements;
  expect(bytes <= file_size, "a tensor no larger than its file");
  const std::byte* begin = tensor.file->bytes().data();
  expect(tensor.data >= begin && tensor.data + bytes <= begin + file_size, "a tensor in its file");
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  static MemoryFile file;
  const std::string bytes = file_bytes(FuzzInput(data, size));
  file.set(bytes);
  try {
    for (const auto& [name, tensor] : read_safetensors(file.path())) {
      check_tensor(tensor, bytes.size());
    }
  } catch (const Error&) {
  }
  return 0;
}
