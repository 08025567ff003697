// The scores of given tokens, on their way to the host.
#pragma once

#include "lib/core/memory.h"
#include "lib/core/pipeline.h"
#include "lib/ops/ops.h"

namespace eet {

class Scorer {
 public:
  Scorer(const Context& ctx, int64_t vocab_size, int max_tokens);

  // Scores `targets` [rows of logits] as scores [first, first + rows) of the pass.
  void score(TensorView logits, const int32_t* targets, int64_t first);

  // Scores of a pass, once a fence recorded after fetch() has passed.
  struct Result {
    const float* logprobs = nullptr;     // NaN where the logits are not finite
    const int32_t* is_argmax = nullptr;  // 0 or 1
  };

  // Starts copying a pass's first `count` scores to the host. Results rotate: one is overwritten by
  // the kPassPlaces-th call after it.
  Result fetch(int64_t count);

  // What one takes on the device.
  static int64_t memory_bytes(int max_tokens) {
    return int64_t{max_tokens} * static_cast<int64_t>(sizeof(float) + sizeof(int32_t));
  }

 private:
  const Context& ctx_;
  int64_t vocab_size_;
  int64_t max_tokens_;
  Buffer outputs_;  // [max_tokens] log-probabilities, [max_tokens] is_argmax
  Buffer results_;  // kPassPlaces of these on the host
  size_t next_result_ = 0;
};

}  // namespace eet
