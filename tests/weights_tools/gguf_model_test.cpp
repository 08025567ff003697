#include "weights_tools/formats/gguf_model.h"

#include <doctest/doctest.h>

#include <cstring>

#include "lib/core/error.h"
#include "tests/weights_tools/gguf_bytes.h"
#include "tests/weights_tools/test_files.h"

namespace eet {
namespace {

std::string floats(size_t count, float first = 1.0F) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    bytes += GgufBytes::number_bytes(first + static_cast<float>(i));
  }
  return bytes;
}

GgufBytes& f32(GgufBytes& bytes, const std::string& name, uint64_t columns, uint64_t rows = 1) {
  const std::vector<uint64_t> sizes =
      rows == 1 ? std::vector<uint64_t>{columns} : std::vector<uint64_t>{columns, rows};
  return bytes.tensor(name, sizes, 0, floats(columns * rows));
}

// A LLaMA of one layer: hidden size 16, two heads of 8, one of keys, three tokens.
GgufBytes llama(const std::string& architecture = "llama") {
  GgufBytes bytes;
  const auto key = [&](const std::string& name) { return architecture + "." + name; };
  bytes.string("general.architecture", architecture).uint32(key("context_length"), 64);
  bytes.uint32(key("embedding_length"), 16).uint32(key("block_count"), 1);
  bytes.uint32(key("feed_forward_length"), 8).uint32(key("attention.head_count"), 2);
  bytes.uint32(key("attention.head_count_kv"), 1);
  bytes.float32(key("attention.layer_norm_rms_epsilon"), 0.5F);
  f32(bytes, "token_embd.weight", 16, 3);
  f32(bytes, "blk.0.attn_norm.weight", 16);
  f32(bytes, "blk.0.attn_q.weight", 16, 16);
  f32(bytes, "blk.0.attn_k.weight", 16, 8);
  f32(bytes, "blk.0.attn_v.weight", 16, 8);
  f32(bytes, "blk.0.attn_output.weight", 16, 16);
  f32(bytes, "blk.0.ffn_norm.weight", 16);
  f32(bytes, "blk.0.ffn_gate.weight", 16, 8);
  f32(bytes, "blk.0.ffn_up.weight", 16, 8);
  f32(bytes, "blk.0.ffn_down.weight", 8, 16);
  return f32(bytes, "output_norm.weight", 16);
}

Checkpoint open(const GgufBytes& bytes) {
  const TempDirectory directory;
  write_file(directory / "x.gguf", bytes.file());
  return open_checkpoint(directory / "x.gguf");
}

std::string message_for(const GgufBytes& bytes) {
  return message_of([&] { open(bytes); });
}

TEST_CASE("a GGUF model's metadata becomes its configuration") {
  const TempDirectory directory;
  write_file(directory / "x.gguf", llama().uint32("tokenizer.ggml.bos_token_id", 1).file());
  const Checkpoint checkpoint = open_checkpoint(directory / "x.gguf");
  const ModelConfig& config = checkpoint.config;
  CHECK(checkpoint.format == "GGUF version 3");
  CHECK(checkpoint.tokenizer_directory == directory / "x.gguf");
  CHECK(checkpoint.warnings.empty());
  CHECK(config.family == "llama");
  CHECK(config.hidden_size == 16);
  CHECK(config.vocab_size == 3);
  CHECK(config.num_layers() == 1);
  CHECK(config.attention().num_kv_heads == 1);
  CHECK(config.attention().head_dim == 8);
  CHECK(config.norm.eps == 0.5);
  CHECK(config.tie_word_embeddings);
  CHECK(config.bos_token_id == 1);
}

TEST_CASE("LLaMA's rows of q and k, which GGUF files store in pairs, are put back") {
  const Checkpoint checkpoint = open(llama());
  const std::string qkv = tensor_bytes(checkpoint, spec_of(TensorId::kQkv, {32, 16}, 0));
  const auto first_of_row = [&](size_t row) {
    float value = 0;
    std::memcpy(&value, qkv.data() + row * 16 * sizeof(float), sizeof value);
    return (value - 1.0F) / 16.0F;  // the stored row
  };
  CHECK(first_of_row(1) == 2);  // of q's first head: 0 2 4 6, then 1 3 5 7
  CHECK(first_of_row(4) == 1);
  CHECK(first_of_row(17) == 2);  // of k
  CHECK(first_of_row(25) == 1);  // of v: as stored
}

TEST_CASE("a packed tensor of a GGUF model has the shape that the configuration asks for") {
  GgufBytes bytes = llama();
  // Hidden size 16 has no whole blocks of 32: the scale of a block is 0.5, its values are 2.
  const std::string block = GgufBytes::number_bytes(uint16_t{0x3800}) + std::string(32, '\2');
  bytes.tensor("output.weight", {32, 3}, 8, block + block + block);
  CHECK(contains(message_for(bytes), "output.weight: expected shape [3, 16], got [3, 32]"));
  GgufBytes wide;
  wide.string("general.architecture", "gpt2").uint32("gpt2.context_length", 1);
  wide.uint32("gpt2.embedding_length", 32).uint32("gpt2.block_count", 1);
  wide.uint32("gpt2.attention.head_count", 1).uint32("gpt2.feed_forward_length", 32);
  wide.tensor("token_embd.weight", {32, 1}, 8, block);
  f32(wide, "position_embd.weight", 32);
  CHECK(contains(message_for(wide), "position_embd.weight: expected shape [1, 32], got [32]"));
}

TEST_CASE("biases are where a GGUF file has them") {
  GgufBytes bytes = llama();
  CHECK_FALSE(open(bytes).config.attention().qkv_bias);
  f32(bytes, "blk.0.attn_q.bias", 16);
  f32(bytes, "blk.0.attn_k.bias", 8);
  f32(bytes, "blk.0.attn_v.bias", 8);
  CHECK(contains(message_for(bytes), "tensor blk.0.attn_output.bias is missing"));
  f32(bytes, "blk.0.attn_output.bias", 16);
  CHECK(open(bytes).config.attention().qkv_bias);
}

TEST_CASE("rotations of GGUF models are scaled as their metadata and tensors say") {
  const auto rope = [](const GgufBytes& bytes) { return open(bytes).config.attention().rope; };
  CHECK(rope(llama().uint32("llama.rope.dimension_count", 4)).rotary_dim == 4);
  CHECK(rope(llama().float32("llama.rope.freq_base", 500.0F)).theta == 500.0);
  const RopeConfig linear = rope(
      llama().string("llama.rope.scaling.type", "linear").float32("llama.rope.scaling.factor", 4));
  CHECK(linear.scaling == RopeConfig::Scaling::kLinear);
  CHECK(linear.factor == 4.0);
  const RopeConfig yarn = rope(llama()
                                   .string("llama.rope.scaling.type", "yarn")
                                   .float32("llama.rope.scaling.factor", 4)
                                   .uint32("llama.rope.scaling.original_context_length", 16));
  CHECK(yarn.scaling == RopeConfig::Scaling::kYarn);
  CHECK(yarn.original_max_position_embeddings == 16);
  CHECK(rope(llama().string("llama.rope.scaling.type", "none")).scaling ==
        RopeConfig::Scaling::kNone);
  CHECK(contains(message_for(llama().string("llama.rope.scaling.type", "ntk")),
                 "llama.rope.scaling.type: expected none, linear, yarn or longrope, got \"ntk\""));
  GgufBytes factors = llama();
  f32(factors, "rope_freqs.weight", 4);
  CHECK(rope(factors).long_factors == std::vector<double>{1, 2, 3, 4});
  GgufBytes half = llama();
  f32(half, "rope_factors_long.weight", 4);
  CHECK(contains(message_for(half), "expected both rope_factors_short.weight"));
}

TEST_CASE("any of the ends that a GGUF file names ends a text") {
  const Checkpoint checkpoint = open(llama()
                                         .uint32("tokenizer.ggml.eos_token_id", 2)
                                         .uint32("tokenizer.ggml.eot_token_id", 0)
                                         .uint32("tokenizer.ggml.eom_token_id", 7));
  CHECK(checkpoint.config.eos_token_ids == std::vector<int32_t>{0, 2});
  REQUIRE(checkpoint.warnings.size() == 1);
  CHECK(contains(checkpoint.warnings[0], "eom_token_id: 7 is outside the vocabulary of 3"));
}

TEST_CASE("GGUF files that hold no model that can be run are refused by key") {
  CHECK(contains(message_for(GgufBytes()), "general.architecture: expected the name"));
  CHECK(
      contains(message_for(llama("mamba")), "general.architecture: expected one of llama, qwen2"));
  CHECK(contains(message_for(llama().string("general.type", "adapter")),
                 "general.type: expected \"model\", got \"adapter\""));
  CHECK(contains(message_for(GgufBytes().string("general.architecture", "llama")),
                 "the file holds no model"));
  CHECK(contains(message_for(llama("qwen2").uint32("qwen2.expert_count", 8)),
                 "qwen2.expert_count: expected 0"));
  CHECK(contains(message_for(llama().uint32("llama.expert_count", 8)),
                 "tensor blk.0.ffn_gate_inp.weight is missing: expected [8, 16]"));
  CHECK(contains(message_for(llama()
                                 .uint32("llama.attention.key_length", 8)
                                 .uint32("llama.attention.value_length", 4)),
                 "value_length: expected the 8 of attention.key_length"));
  CHECK(contains(message_for(llama().float32("llama.attention.scale_everything", 2)),
                 "scale_everything: unknown key"));
  GgufBytes unused = llama();
  CHECK(contains(message_for(f32(unused, "blk.0.mystery.weight", 4)),
                 "blk.0.mystery.weight: unexpected F32 tensor"));
  GgufBytes unreadable = llama();
  unreadable.tensor("output.weight", {256, 1}, 16, std::string(66, '\0'));
  CHECK(contains(message_for(unreadable), "output.weight: expected shape [3, 16]"));
}

TEST_CASE("a list of values for each layer is taken where all layers have the same") {
  const auto with_list = [](const std::vector<int32_t>& list) {
    GgufBytes bytes = llama();
    return bytes.numbers("llama.attention.sliding_window", 5, list);
  };
  CHECK(contains(message_for(with_list({8, 4})), "sliding_window"));
  CHECK(contains(message_for(with_list({})), "sliding_window"));
}

}  // namespace
}  // namespace eet
