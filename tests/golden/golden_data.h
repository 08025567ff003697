// Golden greedy outputs, and the run of a model over them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lib/engine.h"

namespace eet {

// What the reference implementation gives for one prompt, in fp32.
struct GoldenRow {
  std::vector<int32_t> prompt;
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;  // of tokens; empty where the reference did not record them
  // Lead of each token's logit over the second best, or the row's smallest where only that is
  // known.
  std::vector<float> gaps;
  std::vector<int32_t> stop_token_ids;
};

struct Golden {
  std::string name;
  std::filesystem::path model;
  std::vector<GoldenRow> rows;
};

// The checked-in models: tests/golden/models/* and samples/models/*.
std::vector<Golden> checked_in_goldens();

// The checked-in GGUF files: tests/golden/gguf/*.
std::vector<Golden> gguf_goldens();

// The models of ../shared/data/models, which are not part of the repository. Empty where it is
// absent.
std::vector<Golden> shared_goldens();

// What an engine made of one request.
struct Completion {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  FinishReason finish = FinishReason::kNone;
  bool operator==(const Completion&) const = default;
};

// Runs all requests and returns their completions in the order given. Throws Error on a refused or
// failed row. Requests keep their own `row`, which must be unique.
std::vector<Completion> run_requests(Engine& engine, const std::vector<Request>& requests);

// Greedy completions of all rows of `golden` under `options`.
std::vector<Completion> run_golden(const Golden& golden, const EngineOptions& options);

// Index of the first token where `tokens` leaves the golden, or nothing.
std::optional<size_t> first_difference(const GoldenRow& row, const std::vector<int32_t>& tokens);

// The golden's lead at token `index`, 0 where it is not known.
float gap_at(const GoldenRow& row, size_t index);

// Largest difference of log-probabilities over the tokens both have; 0 where none were recorded.
float largest_logprob_error(const GoldenRow& row, const std::vector<float>& logprobs);

// Options of an engine in `dtype` on `device`, the rest as by default.
EngineOptions on_device(const std::string& device, DType dtype,
                        PromptPolicy policy = PromptPolicy::kPacked);

// Whether a CUDA device can be used by this process.
bool have_gpu();

}  // namespace eet
