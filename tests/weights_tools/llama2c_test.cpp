#include "weights_tools/formats/llama2c.h"

#include <doctest/doctest.h>

#include <cstring>

#include "tests/weights_tools/test_files.h"

namespace eet {
namespace {

constexpr int32_t kDim = 16, kHidden = 24, kLayers = 1, kHeads = 2, kKvHeads = 1, kVocab = 5,
                  kPositions = 8;
constexpr size_t kLayerFloats = 2 * kDim + 2 * kDim * kDim + 2 * 8 * kDim + 3 * kDim * kHidden;

std::string header_of(std::vector<int32_t> sizes) {
  return {reinterpret_cast<const char*>(sizes.data()), sizes.size() * sizeof(int32_t)};
}

std::string floats(size_t count, float first) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    const float value = first + static_cast<float>(i);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return bytes;
}

std::string legacy_file(bool tied) {
  const size_t tables = kPositions * kDim / kHeads;
  const size_t head = tied ? 0 : kVocab * kDim;
  return header_of(
             {kDim, kHidden, kLayers, kHeads, kKvHeads, tied ? kVocab : -kVocab, kPositions}) +
         floats(kVocab * kDim + kLayerFloats + kDim + tables + head, 0);
}

std::string message_for(const std::string& bytes) {
  const TempDirectory directory;
  write_file(directory / "x.bin", bytes);
  return message_of([&] { open_checkpoint(directory / "x.bin"); });
}

float element(const Checkpoint& checkpoint, const TensorSpec& spec, size_t i) {
  float value = 0;
  std::memcpy(&value, tensor_bytes(checkpoint, spec).data() + i * sizeof(float), sizeof(float));
  return value;
}

TEST_CASE("a legacy file gives its configuration, and its head is untied below zero tokens") {
  const TempDirectory directory;
  write_file(directory / "x.bin", legacy_file(true));
  const Checkpoint tied = open_checkpoint(directory / "x.bin");
  CHECK(tied.config.tie_word_embeddings);
  CHECK(tied.config.hidden_size == kDim);
  CHECK(tied.config.attention().num_kv_heads == kKvHeads);
  CHECK(tied.config.norm.eps == 1e-5);
  CHECK(tied.config.attention().rope.theta == 10000.0);
  CHECK(tied.config.bos_token_id == 1);
  CHECK(tied.config.eos_token_ids == std::vector<int32_t>{1, 2});
  CHECK(tied.tokenizer_directory == directory.path());
  write_file(directory / "x.bin", legacy_file(false));
  const Checkpoint untied = open_checkpoint(directory / "x.bin");
  CHECK_FALSE(untied.config.tie_word_embeddings);
  CHECK(untied.config.vocab_size == kVocab);
  // The head is the last tensor: it ends with the file, behind the tables of RoPE.
  const size_t all = (legacy_file(false).size() - 28) / sizeof(float);
  CHECK(element(untied, spec_of(TensorId::kLmHead, {kVocab, kDim}), kVocab * kDim - 1) ==
        static_cast<float>(all - 1));
}

TEST_CASE(
    "the tokenizer of a llama2.c file is beside it: tokenizer.model or the only .model file") {
  const TempDirectory directory;
  write_file(directory / "x.bin", legacy_file(true));
  const auto tokenizer = [&] { return open_checkpoint(directory / "x.bin").tokenizer_directory; };
  write_file(directory / "tok512.model", "x");
  CHECK(tokenizer() == directory / "tok512.model");
  write_file(directory / "tok4096.model", "x");
  CHECK(tokenizer() == directory.path());
  write_file(directory / "tokenizer.model", "x");
  CHECK(tokenizer() == directory.path());
}

TEST_CASE("rows of q and k go from interleaved to half-split pairs, rows of v stay") {
  const TempDirectory directory;
  write_file(directory / "x.bin", legacy_file(true));
  const Checkpoint checkpoint = open_checkpoint(directory / "x.bin");
  const TensorSpec qkv = spec_of(TensorId::kQkv, {32, kDim}, 0);
  const auto q_begin = static_cast<float>(kVocab * kDim + kDim);
  const auto first_of_row = [&](size_t row) { return element(checkpoint, qkv, row * kDim); };
  // Head 1 of q, head size 8: canonical row 8 + i is stored row 8 + 2i, row 8 + 4 + i is 8 + 2i
  // + 1.
  CHECK(first_of_row(8) == q_begin + 8 * kDim);
  CHECK(first_of_row(9) == q_begin + 10 * kDim);
  CHECK(first_of_row(12) == q_begin + 9 * kDim);
  CHECK(first_of_row(15) == q_begin + 15 * kDim);
  const float k_begin = q_begin + kDim * kDim;
  CHECK(first_of_row(16 + 4) == k_begin + 1 * kDim);
  const float v_begin = k_begin + 8 * kDim;
  CHECK(first_of_row(24 + 4) == v_begin + 4 * kDim);
}

TEST_CASE("a llama2.c file of the wrong length is refused with both lengths") {
  const std::string whole = legacy_file(true);
  const std::string size = std::to_string(whole.size());
  CHECK(contains(message_for(whole.substr(0, whole.size() - 1)), "expected " + size + " bytes"));
  CHECK(contains(message_for(whole + "x"), "expected " + size + " bytes"));
  CHECK(contains(message_for(whole + "x"), "got " + std::to_string(whole.size() + 1)));
  CHECK(contains(message_for(whole.substr(0, 20)), "ends within its header"));
  CHECK(contains(message_for(""), "is empty"));
}

TEST_CASE("llama2.c headers that make no model are refused") {
  CHECK(contains(message_for(header_of({0, 0, 0, 0, 0, 0, 0})), "not a llama2.c model"));
  CHECK(contains(message_for(header_of({16, 24, 1, 0, 1, 5, 8})), "a size of 0"));
  CHECK(contains(message_for(header_of({16, 24, 1, 3, 3, 5, 8})), "dim: expected a multiple"));
  CHECK(contains(message_for(header_of({16, 24, 1, 2, 1, INT32_MIN, 8})), "a size of"));
  CHECK(contains(message_for(header_of({1 << 30, 24, 1, 2, 1, 5, 8})), "hidden_size: expected"));
  CHECK(contains(message_for("PK\3\4 a zip archive, as pytorch_model.bin is"), "x.bin"));
}

TEST_CASE("llama2.c version 2 is refused by its number") {
  CHECK(contains(message_for("24ka" + header_of({2}) + std::string(300, '\0')), "version 2"));
}

TEST_CASE("stories260K is the same model from its legacy, version 1 and Hugging Face forms") {
  const auto directory = shared_model("llama-stories260k");
  if (directory.empty()) return;
  const Checkpoint hf = open_checkpoint(directory / "hf");
  for (const char* name : {"stories260K.bin", "stories260K_v1.bin"}) {
    CAPTURE(name);
    const Checkpoint bin = open_checkpoint(directory / name);
    CHECK(differing_tensors(bin, hf).empty());
    CHECK(parameter_count(bin.config) == 260032);
    CHECK(bin.config.max_position_embeddings == hf.config.max_position_embeddings);
    CHECK(bin.config.norm.eps == hf.config.norm.eps);
  }
}

}  // namespace
}  // namespace eet
