// The library's front door: requests in, tokens out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/core/context.h"
#include "lib/core/error.h"
#include "lib/model/model_config.h"
#include "lib/model/weights.h"
#include "lib/sampling/sampling_params.h"

namespace eet {

// What is done with the prompts of a ragged batch (the EET paper's comparison):
//   packed      all prompts at once, real tokens only (this project)
//   padded      left-padded to the longest, all at once; pads cost their GEMM work (EET)
//   min-length  the first min(prompt lengths) tokens at once, the rest token by token
//               (Faster Transformer 4)
//   serial      token by token (Faster Transformer 3.1)
enum class PromptPolicy { kPacked, kPadded, kMinLength, kSerial };

// When waiting rows start:
//   refill   as soon as slots and memory come free, while the other rows go on
//   static   when the batch before has ended; finished rows leave their batch in both
enum class Schedule { kRefill, kStatic };

struct EngineOptions {
  std::string device = "auto";  // auto, cpu, cuda, cuda:N
  std::optional<DType> dtype;   // nothing: the checkpoint's on CUDA (fp32 as bf16), fp32 on the CPU
  int max_num_seqs = 0;         // rows that run together; 0: chosen from the memory
  int max_num_batched_tokens = 0;  // tokens of one forward pass; 0: the device's default
  int64_t max_model_len = 0;       // prompt + generated tokens of a row; 0: the model's positions
  double gpu_memory_utilization = 0.9;  // share of the device's memory that may be used
  int num_threads = 0;                  // 0: all cores of this process
  Schedule schedule = Schedule::kRefill;
  PromptPolicy prompt_policy = PromptPolicy::kPacked;
  int sort_window = 0;  // rows sorted by length together; 0: 16 * max_num_seqs
  uint64_t seed = 0;
};

enum class FinishReason { kNone, kStop, kLength, kError };

struct Request {
  uint64_t row = 0;  // unique within the job; names the row's random streams and its outputs
  std::vector<int32_t> prompt;
  // The prompt is computed and stored once for all of params.num_samples() (except under min-length
  // and serial); they start together.
  SamplingParams params;
  // Index of the first prompt token to be scored, at least 1: nothing is generated, the outputs are
  // prompt[score_from..) with their log-probabilities given all tokens before.
  std::optional<int32_t> score_from = {};
};

// One new token of one sample of a row, or its end. With kStop by a stop token, `token_id` is that
// token; with kError there is no token and `error` says why. The last token that is scored comes
// with kStop.
struct TokenOutput {
  uint64_t row = 0;
  int32_t sample = 0;
  int32_t token_id = -1;
  float logprob = 0.0F;
  bool is_argmax = false;  // a scored token that greedy sampling would have chosen
  FinishReason finish = FinishReason::kNone;
  std::optional<RowError> error = {};
};

// One line of the memory plan.
struct MemoryItem {
  std::string name;
  int64_t bytes = 0;
};

struct EngineStats {
  double load_seconds = 0;         // weights and all other memory
  double prefill_seconds = 0;      // device time of prompt passes
  double decode_seconds = 0;       // device time of decode steps
  double decode_idle_seconds = 0;  // in which it waited for the host; 0 on the CPU
  int64_t prompt_tokens = 0;       // real ones; once for samples that share them
  int64_t prompt_positions = 0;  // tokens that entered the prompt passes and replays, pads included
  int64_t padded_positions = 0;  // what `padded` computes for the same groups
  int64_t output_tokens = 0;
  int64_t scored_tokens = 0;
  int64_t batches = 0;  // groups of rows that started together
  int64_t prefill_passes = 0;
  int64_t prefill_tokens = 0;          // prompt tokens that the prompt passes fed, without pads
  int64_t prefill_context_tokens = 0;  // tokens that each of those attends to, itself included
  int64_t decode_steps = 0;
  int64_t decode_row_steps = 0;       // rows summed over decode steps
  int64_t decode_context_tokens = 0;  // cached tokens read, summed over rows and decode steps
  std::vector<int64_t> decode_steps_by_rows;  // how many decode steps ran with [i] rows
};

class Engine {
 public:
  // Plans and takes all memory; throws Error when it does not fit, with the ledger in the message.
  // Without a loader the weights are random, drawn from options.seed (for benchmarks).
  Engine(const ModelConfig& config, const TensorLoader& loader, const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Why this request can never run (prompt too long, id out of range, parameters), or nothing.
  std::optional<RowError> check(const Request& request) const;

  // Queues a request that passed check().
  void add_request(Request request);

  // Requests queued and not yet running. Feeding the engine up to sort_window() of them lets it
  // sort; more only cost memory.
  size_t num_waiting() const;
  size_t sort_window() const;
  bool has_work() const;

  // Runs one forward pass and returns the tokens that have become known. Valid until the next call.
  std::span<const TokenOutput> step();

  // Ends a running sample (a stop string matched): no further tokens of it are returned.
  void stop(uint64_t row, int32_t sample = 0);

  const ModelConfig& config() const;
  int64_t max_model_len() const;
  int max_num_seqs() const;
  DType dtype() const;
  const EngineStats& stats() const;
  const std::vector<MemoryItem>& memory() const;  // the ledger
  int64_t peak_device_bytes() const;              // measured, 0 on the CPU
  std::string device_name() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eet
