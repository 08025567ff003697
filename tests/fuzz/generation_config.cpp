// generation_config.json: the sampling values that it gives rows, and the ids that end them.
#include "app/sampling_defaults.h"
#include "lib/core/error.h"
#include "tests/fuzz/memory_directory.h"
#include "tokenizer/tokenizer.h"
#include "weights_tools/formats/huggingface.h"

namespace eet {
namespace {

constexpr std::string_view kConfig = R"({"model_type": "llama", "vocab_size": 32, "hidden_size": 8,
  "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "bos_token_id": 1,
  "eos_token_id": 2, "max_position_embeddings": 16, "rms_norm_eps": 1e-5})";

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  static const MemoryDirectory directory;
  directory.write("config.json", kConfig);
  directory.write("generation_config.json", FuzzInput(data, size).rest());
  try {
    SamplingParams params;
    apply_generation_config(params, {"top_k"}, directory.path(), "auto");
    expect(params.top_k == SamplingParams().top_k, "a flag to have the last word");
  } catch (const Error&) {
  } catch (const TokenizerError&) {
  }
  try {
    std::vector<std::string> warnings;
    const ModelConfig config =
        read_huggingface_config(directory.path() / "config.json",
                                directory.path() / "generation_config.json", {}, warnings);
    for (const int32_t id : config.eos_token_ids) {
      expect(id >= 0 && id < config.vocab_size, "ids of the vocabulary");
    }
  } catch (const Error&) {
  }
  return 0;
}
