// Rows that share prefixes give the bits that they give alone: checked-in models on every device.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/golden/golden_data.h"
#include "tests/lib/prefix/prompt_forest.h"
#include "weights_tools/checkpoint.h"

namespace eet {
namespace {

constexpr int kMostTokens = 20;

std::vector<Request> forest_requests(const ModelConfig& config, uint32_t seed, size_t count) {
  const auto longest = std::min<int64_t>(420, config.max_position_embeddings - kMostTokens);
  test::PromptForest forest(seed, static_cast<int32_t>(config.vocab_size),
                            static_cast<int>(longest));
  std::vector<Request> requests;
  for (std::vector<int32_t>& prompt : forest.grow(count)) {
    const size_t i = requests.size();
    Request request{.row = i, .prompt = std::move(prompt), .params = {}};
    request.params.max_tokens = forest.uniform(1, kMostTokens);
    request.params.temperature = i % 3 == 0 ? 0.0F : 0.9F;
    request.params.ignore_eos = i % 2 == 0;
    if (i % 4 == 2) request.params.repetition_penalty = 1.3F;
    if (request.prompt.size() > 1 && i % 4 == 1) {
      request.score_from = forest.uniform(1, static_cast<int>(request.prompt.size()) - 1);
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

void check_alike(const std::vector<Completion>& a, const std::vector<Completion>& b,
                 bool compare_bits) {
  REQUIRE(a.size() == b.size());
  for (size_t row = 0; row < a.size(); ++row) {
    CAPTURE(row);
    CHECK_EQ(a[row].tokens, b[row].tokens);
    CHECK_EQ(a[row].finish, b[row].finish);
    if (compare_bits) CHECK_EQ(a[row].logprobs, b[row].logprobs);
  }
}

void check_model(const std::string& directory, const EngineOptions& base, bool compare_bits) {
  CAPTURE(directory);
  const Checkpoint checkpoint = open_checkpoint(std::filesystem::path(EET_SOURCE_DIR) / directory);
  const std::vector<Request> requests = forest_requests(checkpoint.config, 5, 40);
  EngineOptions options = base;
  options.max_num_seqs = 1;
  options.share_prefixes = false;
  Engine one(checkpoint.config, checkpoint.loader, options);
  const std::vector<Completion> alone = run_requests(one, requests);
  for (const bool share : {false, true}) {
    for (const int max_num_seqs : {1, 5, 40}) {
      CAPTURE(share);
      CAPTURE(max_num_seqs);
      options.share_prefixes = share;
      options.max_num_seqs = max_num_seqs;
      options.max_num_batched_tokens = max_num_seqs == 5 ? 300 : 4096;
      options.schedule = max_num_seqs == 5 ? Schedule::kStatic : Schedule::kRefill;
      Engine engine(checkpoint.config, checkpoint.loader, options);
      check_alike(run_requests(engine, requests), alone, compare_bits);
      CHECK((engine.stats().shared_tokens > 200) == share);
    }
  }
}

// Of rotary, learned, relative (ALiBi) and two-listed (longrope) positions, windows in some layers
// and in all, and heads of 64 and 128, whose decode steps read shared pages once.
constexpr const char* kModels[] = {"samples/models/tales-llama",
                                   "tests/golden/models/tales-gpt2",
                                   "tests/golden/models/gemma3-text",
                                   "tests/golden/models/mistral-window",
                                   "tests/golden/models/falcon-rw-kind",
                                   "tests/golden/models/phi3-longrope",
                                   "tests/golden/models/llama-gqa4-hd128-llama3",
                                   "tests/golden/models/qwen2-gqa7-hd64-old"};

// More of those that have windows in some layers.
constexpr const char* kWindowModels[] = {"tests/golden/models/gpt-oss",
                                         "tests/golden/models/cohere2", "tests/golden/models/olmo3",
                                         "tests/golden/models/exaone4"};

TEST_CASE("on the CPU rows that share prefixes have the bits that they have alone") {
  for (const char* model : kModels) check_model(model, on_device("cpu", DType::kF32), true);
  for (const char* model : kWindowModels) check_model(model, on_device("cpu", DType::kF32), true);
}

// In fp32 cuBLASLt's products have up to three classes of bits over the number of rows
// (tests/kernels/gemm_test.cpp).
TEST_CASE("on CUDA rows that share prefixes have the bits that they have alone, tokens in fp32") {
  if (!have_gpu()) {
    MESSAGE("skipped: no GPU");
    return;
  }
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    CAPTURE(std::string(dtype_name(dtype)));
    for (const char* model : kModels) {
      check_model(model, on_device("cuda", dtype), dtype != DType::kF32);
    }
  }
}

}  // namespace
}  // namespace eet
