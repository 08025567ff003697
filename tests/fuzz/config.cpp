// A model's configuration: config.json of Hugging Face and eet.json. What one accepts must be
// sound, and survive being written as the other.
#include "lib/core/error.h"
#include "tests/fuzz/memory_file.h"
#include "weights_tools/checkpoint.h"
#include "weights_tools/eet_config.h"

namespace eet {
namespace {

// Layers repeat each other, and a thousand of them take long.
void check_shapes(ModelConfig config) {
  while (config.layers.size() > 2) config.layers.pop_back();
  expect(parameter_count(config) > 0, "parameters");
  expect(config.kv_bytes_per_token(DType::kF32) > 0, "a cache");
}

void check_round_trip(const ModelConfig& config) {
  static MemoryFile file;
  const std::string text = format_eet_config(config);
  file.set(text);
  expect(format_eet_config(read_eet_config(file.path())) == text, "a configuration to read again");
}

template <typename Read>
void check(Read read) {
  ModelConfig config;
  try {
    config = read();
    validate(config);
  } catch (const Error&) {
    return;
  }
  check_shapes(config);
  check_round_trip(config);
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  static MemoryFile file;
  file.set(FuzzInput(data, size).rest());
  check([] { return read_model_config(file.path()); });
  check([] { return read_eet_config(file.path()); });
  return 0;
}
