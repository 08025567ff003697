// Files damaged at random: each either opens and gives all its tensors, or is refused with an
// Error. Run under the sanitizers, this is what shows a read outside the file.
#include <doctest/doctest.h>

#include <random>

#include "lib/core/error.h"
#include "tests/weights_tools/test_files.h"

namespace eet {
namespace {

// One to four edits within the first `range` bytes: a changed byte, a digit, a removed or doubled
// piece, or a cut.
std::string damaged(std::string bytes, size_t range, std::mt19937& random) {
  const auto below = [&](size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
  };
  for (size_t edits = 1 + below(4); edits > 0 && !bytes.empty(); --edits) {
    const size_t at = below(std::min(range, bytes.size()));
    const size_t length = 1 + below(8);
    switch (below(5)) {
      case 0:
        bytes[at] = static_cast<char>(below(256));
        break;
      case 1:
        bytes[at] = static_cast<char>('0' + below(10));
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, length));
        break;
      default:
        bytes.resize(bytes.size() - std::min(bytes.size(), below(64)));
    }
  }
  return bytes;
}

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

// Damages `file` again and again; `model` is the path to open. Any exception but Error fails.
void check_damaged(const std::filesystem::path& file, const std::filesystem::path& model,
                   size_t range) {
  const std::string whole = read_file(file);
  std::mt19937 random(20240607);
  constexpr int kRounds = 1000;
  int refused = 0;
  for (int round = 0; round < kRounds; ++round) {
    CAPTURE(round);
    write_file(file, damaged(whole, range, random));
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
