#include "lib/sampling/top_logprobs.h"

#include <algorithm>

#include "lib/request.h"

namespace eet {

int64_t TopLogprobs::memory_bytes(int max_rows) {
  return int64_t{max_rows} * kMaxTopLogprobs *
         static_cast<int64_t>(sizeof(int32_t) + sizeof(float));
}

TopLogprobs::TopLogprobs(const Context& ctx, int64_t vocab_size, int max_rows)
    : ctx_(ctx), vocab_size_(vocab_size), max_tokens_(int64_t{max_rows} * kMaxTopLogprobs) {
  const auto bytes = static_cast<size_t>(memory_bytes(max_rows));
  outputs_ = allocate(ctx, bytes, "likeliest tokens");
  results_ = allocate_staging(ctx, bytes * kPassPlaces, "likeliest tokens' staging");
}

TopLogprobs::Result TopLogprobs::take(TensorView logits, int32_t count) {
  count = static_cast<int32_t>(std::min<int64_t>(count, vocab_size_));
  auto* ids = outputs_.as<int32_t>();
  auto* logprobs = outputs_.as<float>() + max_tokens_;
  ops::top_logprobs(ctx_, ids, logprobs, count, logits, vocab_size_);

  const int64_t start = 2 * max_tokens_ * static_cast<int64_t>(next_result_);
  auto* host_ids = results_.as<int32_t>() + start;
  auto* host_logprobs = results_.as<float>() + start + max_tokens_;
  next_result_ = (next_result_ + 1) % kPassPlaces;
  const auto num_tokens = static_cast<size_t>(logits.dim(0) * count);
  download(ctx_, host_ids, ids, num_tokens * sizeof(int32_t));
  download(ctx_, host_logprobs, logprobs, num_tokens * sizeof(float));
  return {.ids = host_ids, .logprobs = host_logprobs, .count = count};
}

}  // namespace eet
