// The likeliest tokens of a pass's rows, on their way to the host.
#pragma once

#include "lib/core/memory.h"
#include "lib/core/pipeline.h"
#include "lib/ops/ops.h"

namespace eet {

class TopLogprobs {
 public:
  TopLogprobs(const Context& ctx, int64_t vocab_size, int max_rows);

  // As ops::top_logprobs gives them, [rows, count], once a fence recorded after take() has passed.
  struct Result {
    const int32_t* ids = nullptr;
    const float* logprobs = nullptr;
    int32_t count = 0;
  };

  // Finds the `count` likeliest tokens for each row of `logits`, or all where there are fewer, and
  // starts copying them to the host. Results rotate: one is overwritten by the kPassPlaces-th call
  // after it.
  Result take(TensorView logits, int32_t count);

  // What one takes on the device.
  static int64_t memory_bytes(int max_rows);

 private:
  const Context& ctx_;
  int64_t vocab_size_;
  int64_t max_tokens_;
  Buffer outputs_;  // [max_tokens] ids, [max_tokens] log-probabilities
  Buffer results_;  // kPassPlaces of these on the host
  size_t next_result_ = 0;
};

}  // namespace eet
