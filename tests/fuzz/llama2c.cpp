// A llama2.c file, and all tensors that it gives.
#include "weights_tools/formats/llama2c.h"

#include <numeric>
#include <string>

#include "lib/core/error.h"
#include "tests/fuzz/memory_file.h"

namespace eet {
namespace {

// The input's first two bytes count zeros behind the rest: inputs stay small beside their weights.
std::string file_bytes(FuzzInput input) {
  const size_t high = input.byte();
  const size_t zeros = high << 8 | input.byte();
  return std::string(input.rest()) + std::string(zeros, '\0');
}

void read_all(const Checkpoint& checkpoint) {
  for (const CheckpointTensor& tensor : checkpoint.tensors) {
    HostTensor loaded = checkpoint.loader(tensor.spec);
    const auto count =
        std::accumulate(tensor.spec.shape.begin(), tensor.spec.shape.end(), int64_t{1},
                        [](int64_t product, int64_t dim) { return product * dim; });
    const auto* elements = static_cast<const std::byte*>(contiguous_data(loaded));
    std::byte sum{};
    for (int64_t i = 0; i < count * static_cast<int64_t>(sizeof(float)); ++i) sum ^= elements[i];
    volatile std::byte used = sum;
    (void)used;
  }
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  static MemoryFile file;
  file.set(file_bytes(FuzzInput(data, size)));
  try {
    read_all(open_llama2c(file.path()));
  } catch (const Error&) {
  }
  return 0;
}
