// A row's tokens do not depend on its neighbours, their order, the batch size or the prompt policy.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <random>
#include <string>

#include "tests/golden/golden_data.h"
#include "weights_tools/checkpoint.h"

namespace eet {
namespace {

constexpr int kProbes = 6;
constexpr std::array kPolicies = {PromptPolicy::kPacked, PromptPolicy::kPadded,
                                  PromptPolicy::kMinLength, PromptPolicy::kSerial};

// How rows meet their neighbours.
struct Arrangement {
  size_t num_rows = 1;  // the probes are the first rows of the pool
  int max_num_seqs = 0;
  int max_num_batched_tokens = 0;
  bool shuffled = false;
  PromptPolicy policy = PromptPolicy::kPacked;
  Schedule schedule = Schedule::kRefill;
  int num_threads = 0;
};

std::string describe(const Arrangement& arrangement) {
  return concat(arrangement.num_rows, " rows, max_num_seqs ", arrangement.max_num_seqs,
                ", max_num_batched_tokens ", arrangement.max_num_batched_tokens, ", policy ",
                static_cast<int>(arrangement.policy), ", schedule ",
                static_cast<int>(arrangement.schedule), ", threads ", arrangement.num_threads,
                arrangement.shuffled ? ", shuffled" : "");
}

// Ragged prompts (1 to 300 tokens), some greedy, some sampled with their own seed and penalties,
// some drawn from the job's seed, of different output lengths.
std::vector<Request> make_pool(const ModelConfig& config, size_t count) {
  std::mt19937 random(20);
  const auto uniform = [&](int low, int high) {
    return static_cast<int32_t>(std::uniform_int_distribution<int>(low, high)(random));
  };
  std::vector<Request> pool(count);
  for (size_t i = 0; i < count; ++i) {
    Request& request = pool[i];
    request.row = 100 + i;
    const int longest = i % 8 == 3 ? 290 : 40;
    request.prompt.resize(i == 0 ? 1 : static_cast<size_t>(uniform(2, longest)));
    for (int32_t& id : request.prompt) id = uniform(3, static_cast<int>(config.vocab_size) - 1);
    SamplingParams& params = request.params;
    params.max_tokens = uniform(4, 24);
    params.temperature = i % 3 == 0 ? 0.0F : 0.8F + 0.1F * static_cast<float>(i % 5);
    if (i % 3 == 1) params.seed = 1000 + i;
    if (i % 4 == 1) params.top_p = 0.9F;
    if (i % 4 == 2) params.top_k = 20;
    if (i % 5 == 4) params.min_p = 0.05F;
    if (i % 6 == 2) params.repetition_penalty = 1.2F;
    if (i % 6 == 5) params.frequency_penalty = 0.3F;
    params.ignore_eos = i % 2 == 0;
  }
  return pool;
}

class BatchCheck {
 public:
  BatchCheck(const std::filesystem::path& model, EngineOptions options, bool compare_bits)
      : checkpoint_(open_checkpoint(model)),
        options_(std::move(options)),
        compare_bits_(compare_bits),
        pool_(make_pool(checkpoint_.config, 64)) {
    for (int i = 0; i < kProbes; ++i) {
      alone_.push_back(run({.num_rows = 1, .max_num_seqs = 1}, {pool_[static_cast<size_t>(i)]})[0]);
    }
  }

  // Runs the first rows of the pool together and compares the probes among them with their runs
  // alone.
  void check(const Arrangement& arrangement) const {
    const std::string arranged = describe(arrangement);
    CAPTURE(arranged);
    std::vector<size_t> order(arrangement.num_rows);
    std::iota(order.begin(), order.end(), size_t{0});
    if (arrangement.shuffled) std::shuffle(order.begin(), order.end(), std::mt19937(7));
    std::vector<Request> requests;
    requests.reserve(order.size());
    for (const size_t i : order) requests.push_back(pool_[i]);
    const std::vector<Completion> completions = run(arrangement, requests);
    for (size_t i = 0; i < order.size(); ++i) {
      if (order[i] < alone_.size()) compare(alone_[order[i]], completions[i], order[i]);
    }
  }

 private:
  std::vector<Completion> run(const Arrangement& arrangement,
                              const std::vector<Request>& requests) const {
    EngineOptions options = options_;
    options.max_num_seqs = arrangement.max_num_seqs;
    options.max_num_batched_tokens = arrangement.max_num_batched_tokens;
    options.prompt_policy = arrangement.policy;
    options.schedule = arrangement.schedule;
    options.num_threads = arrangement.num_threads;
    options.seed = 5;
    Engine engine(checkpoint_.config, checkpoint_.loader, options);
    return run_requests(engine, requests);
  }

  void compare(const Completion& alone, const Completion& together, size_t row) const {
    CAPTURE(row);
    CHECK_EQ(together.tokens, alone.tokens);
    CHECK_EQ(together.finish, alone.finish);
    if (compare_bits_) {
      const bool equal_bits =
          std::equal(together.logprobs.begin(), together.logprobs.end(), alone.logprobs.begin(),
                     alone.logprobs.end(), [](float a, float b) {
                       return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
                     });
      CHECK(equal_bits);
    }
  }

  Checkpoint checkpoint_;
  EngineOptions options_;
  bool compare_bits_;
  std::vector<Request> pool_;
  std::vector<Completion> alone_;
};

void check_all_arrangements(const BatchCheck& check) {
  for (const PromptPolicy policy : kPolicies) {
    check.check({.num_rows = 1, .max_num_seqs = 1, .policy = policy});
    check.check({.num_rows = 7, .max_num_seqs = 7, .policy = policy});
    check.check({.num_rows = 64, .max_num_seqs = 64, .policy = policy});
    check.check({.num_rows = 64, .max_num_seqs = 64, .shuffled = true, .policy = policy});
  }
  for (const Schedule schedule : {Schedule::kRefill, Schedule::kStatic}) {
    for (const int max_num_seqs : {1, 3, 16, 0}) {
      check.check(
          {.num_rows = 64, .max_num_seqs = max_num_seqs, .shuffled = true, .schedule = schedule});
    }
  }
  for (const PromptPolicy policy : kPolicies) {  // rows that replay prompts beside rows that decode
    check.check({.num_rows = 64, .max_num_seqs = 16, .policy = policy});
  }
  check.check({.num_rows = 64, .max_num_seqs = 64, .max_num_batched_tokens = 512});
}

std::filesystem::path sample_model(const std::string& name) {
  return std::filesystem::path(EET_SOURCE_DIR) / "samples" / "models" / name;
}

std::filesystem::path golden_model(const std::string& name) {
  return std::filesystem::path(EET_SOURCE_DIR) / "tests" / "golden" / "models" / name;
}

TEST_CASE("on the CPU a row's log-probabilities keep their bits in any batch of a LLaMA model") {
  check_all_arrangements(
      {golden_model("llama-gqa4-hd128-llama3"), on_device("cpu", DType::kF32), true});
}

TEST_CASE("on the CPU a row's log-probabilities keep their bits in any batch of a GPT-2 model") {
  check_all_arrangements(
      {golden_model("gpt2-hd64-erf-inner"), on_device("cpu", DType::kF32), true});
}

// Rows of different lengths see different windows and slopes.
TEST_CASE("on the CPU a row's log-probabilities keep their bits with windows, QK-norm and ALiBi") {
  for (const char* name : {"gemma3-text", "gpt-oss", "falcon-rw-kind"}) {
    CAPTURE(name);
    check_all_arrangements({golden_model(name), on_device("cpu", DType::kF32), true});
  }
}

TEST_CASE("on the CPU a row's log-probabilities keep their bits for any number of threads") {
  const BatchCheck check(sample_model("tales-llama"), on_device("cpu", DType::kF32), true);
  for (const int num_threads : {1, 2, 3}) {
    check.check({.num_rows = 64, .max_num_seqs = 64, .shuffled = true, .num_threads = num_threads});
  }
}

TEST_CASE("on CUDA a row gives the same tokens in any batch") {
  if (!have_gpu()) {
    MESSAGE("skipped: no GPU");
    return;
  }
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    CAPTURE(std::string(dtype_name(dtype)));
    for (const auto& model : {sample_model("tales-llama"), golden_model("tales-gpt2")}) {
      CAPTURE(model);
      check_all_arrangements({model, on_device("cuda", dtype), false});
    }
  }
}

// With split-K off, cuBLASLt's 16-bit products give a row the same bits for any number of rows
// (tests/kernels/gemm_test.cpp prints the classes), and everything else is per row.
TEST_CASE("on CUDA in 16 bit a row's log-probabilities keep their bits in any batch") {
  if (!have_gpu()) {
    MESSAGE("skipped: no GPU");
    return;
  }
  for (const DType dtype : {DType::kBF16, DType::kF16}) {
    CAPTURE(std::string(dtype_name(dtype)));
    check_all_arrangements({sample_model("tales-llama"), on_device("cuda", dtype), true});
    check_all_arrangements({golden_model("tales-gpt2"), on_device("cuda", dtype), true});
    check_all_arrangements({golden_model("gemma3-text"), on_device("cuda", dtype), true});
    check_all_arrangements({golden_model("falcon-rw-kind"), on_device("cuda", dtype), true});
  }
}

}  // namespace
}  // namespace eet
