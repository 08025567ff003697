// Files damaged at random: each either opens and gives all its tensors, or is refused with an
// Error. Run under the sanitizers, this is what shows a read outside the file.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lib/core/error.h"
#include "tests/weights_tools/mutator.h"
#include "tests/weights_tools/test_files.h"

namespace eet {
namespace {

// Opens `path` and reads every byte of every tensor; whether that was refused.
bool is_refused(const std::filesystem::path& path) {
  try {
    const Checkpoint checkpoint = open_checkpoint(path);
    size_t sum = 0;
    for (const CheckpointTensor& tensor : checkpoint.tensors) {
      for (char byte : tensor_bytes(checkpoint, tensor.spec))
        sum += static_cast<unsigned char>(byte);
    }
    CHECK(sum > 0);
    return false;
  } catch (const Error&) {
    return true;
  }
}

// Damages the first `range` bytes of `file`, or its end, again and again; `model` is the path to
// open. Any exception but Error fails.
void check_damaged(const std::filesystem::path& file, const std::filesystem::path& model,
                   size_t range) {
  const std::vector<std::string> whole = {read_file(file)};
  Mutator mutator(whole, range);
  constexpr int kRounds = 1000;
  int refused = 0;
  for (int round = 0; round < kRounds; ++round) {
    CAPTURE(round);
    write_file(file, mutator.next());
    bool is_bad = false;
    REQUIRE_NOTHROW(is_bad = is_refused(model));
    refused += is_bad ? 1 : 0;
  }
  CHECK(refused > kRounds / 2);
}

TEST_CASE("damaged safetensors headers are refused or harmless") {
  const TempDirectory directory;
  write_model(directory.path(), tiny_llama_config(), tiny_llama_tensors());
  check_damaged(directory / "model.safetensors", directory.path(), 2000);
}

TEST_CASE("damaged configurations are refused or harmless") {
  const TempDirectory directory;
  write_model(directory.path(), tiny_gpt2_config(), tiny_gpt2_tensors());
  check_damaged(directory / "config.json", directory.path(), 200);
}

TEST_CASE("damaged llama2.c headers are refused or harmless") {
  const TempDirectory directory;
  std::string bytes;  // of dim 16, hidden 24, 1 layer, 2 heads, 1 kv head, 5 tokens, 8 positions
  for (int32_t size : {16, 24, 1, 2, 1, 5, 8}) {
    bytes.append(reinterpret_cast<const char*>(&size), sizeof(size));
  }
  write_file(directory / "x.bin", bytes + std::string(4 * (80 + 1952 + 16 + 64), '\1'));
  REQUIRE_FALSE(is_refused(directory / "x.bin"));
  check_damaged(directory / "x.bin", directory / "x.bin", 28);
}

}  // namespace
}  // namespace eet
