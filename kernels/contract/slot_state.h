// What the device knows of each running row, so that a decode step needs nothing from the host.
// A slot is a row's place in these tables from its admission to its end; slots are
// [0, max_num_seqs). Plain data, shared by the CUDA kernels and their CPU twins.
#pragma once

#include <cstdint>

#include "kernels/contract/host_device.h"

namespace eet {

inline constexpr int kMaxStopTokenIds = 32;

// Sampling parameters of one row; written by the host when the row is admitted.
struct SlotParams {
  float temperature = 0.0F;  // 0: greedy
  float top_p = 1.0F;        // 1: off
  float min_p = 0.0F;        // 0: off
  float repetition_penalty = 1.0F;
  float presence_penalty = 0.0F;
  float frequency_penalty = 0.0F;
  int32_t top_k = 0;  // 0: off
  int32_t min_tokens = 0;
  int32_t max_tokens = 0;
  int32_t prompt_len = 0;
  int32_t num_stop_token_ids = 0;
  int32_t stop_token_ids[kMaxStopTokenIds] = {};  // EOS ids included unless the row ignores them
  uint64_t seed = 0;                              // key of the counter-based generator
  uint64_t stream = 0;                            // first counter words: the row's own stream
};

enum class SlotStatus : int32_t { kRunning = 0, kStop = 1, kLength = 2, kNonFinite = 3 };

// Progress of one row; written by the sampler.
struct SlotState {
  int32_t next_token = 0;  // sampled last, to be fed at `position`
  int32_t position = 0;    // before a forward pass: of the token it feeds last for this row
  int32_t num_generated = 0;
  SlotStatus status = SlotStatus::kRunning;
};

// What sampling reports for a row instead of a token id.
inline constexpr int32_t kTokenNone = -1;       // prompt replay, or the row had already ended
inline constexpr int32_t kTokenNonFinite = -2;  // the logits hold a NaN or +inf

// Where sampled tokens go: host memory that the device writes, so that no copy stands between two
// steps. Each pass that samples writes the next place, after the last one the first again; the host
// reads them behind the device.
struct SampledRing {
  int32_t* places = nullptr;  // [num_places][2][max_rows]: ids, then log-probabilities (fp32 bits)
  int32_t num_places = 1;
  int64_t max_rows = 0;
  int32_t* last_place = nullptr;  // [1], device memory: written last; 0 before the first

  EET_HOST_DEVICE int32_t place_after(int32_t place) const {
    return place + 1 < num_places ? place + 1 : 0;
  }
  EET_HOST_DEVICE int32_t* token_ids(int32_t place) const { return places + 2 * place * max_rows; }
  EET_HOST_DEVICE float* logprobs(int32_t place) const {
    return reinterpret_cast<float*>(token_ids(place) + max_rows);
  }
};

// Entry of the table of token counts: bit 15 says the token occurs in the prompt, the rest counts
// how often it was generated (saturating).
inline constexpr uint16_t kInPrompt = 0x8000;

}  // namespace eet
