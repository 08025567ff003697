// What goes into the engine and what comes out of it, and the ways it may treat its rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "lib/core/error.h"
#include "lib/sampling/sampling_params.h"

namespace eet {

// What is done with the prompts of a ragged batch (the EET paper's comparison):
//   packed      all prompts at once, real tokens only (this project)
//   padded      left-padded to the longest, all at once; pads cost their GEMM work (EET)
//   min-length  the first min(prompt lengths) tokens at once, the rest token by token
//               (Faster Transformer 4)
//   serial      token by token (Faster Transformer 3.1)
enum class PromptPolicy { kPacked, kPadded, kMinLength, kSerial };

// Whether decode steps feed a part of the prompt, token by token.
inline bool replays_prompts(PromptPolicy policy) {
  return policy == PromptPolicy::kMinLength || policy == PromptPolicy::kSerial;
}

// When waiting rows start:
//   refill   as soon as slots and memory come free, while the other rows go on
//   static   when the batch before has ended; finished rows leave their batch in both
enum class Schedule { kRefill, kStatic };

inline constexpr int32_t kMaxTopLogprobs = 20;

enum class FinishReason : uint8_t { kNone, kStop, kLength, kError };

struct Request {
  uint64_t row = 0;  // unique within the job; names the row's random streams and its outputs
  std::vector<int32_t> prompt;
  // The prompt is computed and stored once for all of params.num_samples() (except under min-length
  // and serial); they start together. So are beginnings that rows have in common (under packed).
  SamplingParams params;
  // Index of the first prompt token to be scored, at least 1: nothing is generated, the outputs are
  // prompt[score_from..) with their log-probabilities given all tokens before.
  std::optional<int32_t> score_from = {};
  // How many of the likeliest tokens come with each new one, 0 to kMaxTopLogprobs.
  int32_t top_logprobs = 0;
};

struct TokenLogprob {
  int32_t token_id = -1;
  float logprob = 0.0F;
};

// One new token of one sample of a row, or its end. With kStop by a stop token, `token_id` is that
// token; with kError there is no token and `error` says why. The last token that is scored comes
// with kStop. Groups of engines hand millions of them a second from thread to thread: a cache line
// each.
struct TokenOutput {
  uint64_t row = 0;
  int32_t sample = 0;
  int32_t token_id = -1;
  float logprob = 0.0F;
  bool is_argmax = false;  // a scored token that greedy sampling would have chosen
  FinishReason finish = FinishReason::kNone;
  std::shared_ptr<const RowError> error = {};
  // The likeliest tokens in its place, whatever was chosen: Request::top_logprobs of them, unless
  // the vocabulary is smaller. By falling log-probability, on a tie the lower id first.
  std::vector<TokenLogprob> top = {};
};
static_assert(sizeof(TokenOutput) == 64);

// The end of a sample that fails, and with it of its row.
inline TokenOutput failed_output(uint64_t row, int32_t sample, RowError error) {
  return {.row = row,
          .sample = sample,
          .finish = FinishReason::kError,
          .error = std::make_shared<const RowError>(std::move(error))};
}

}  // namespace eet
