#include "lib/sampling/scorer.h"

namespace eet {

Scorer::Scorer(const Context& ctx, int64_t vocab_size, int max_tokens)
    : ctx_(ctx), vocab_size_(vocab_size), max_tokens_(max_tokens) {
  const auto bytes = static_cast<size_t>(memory_bytes(max_tokens));
  outputs_ = allocate(ctx, bytes, "scores");
  results_ = allocate_staging(ctx, bytes * kPassPlaces, "score staging");
}

void Scorer::score(TensorView logits, const int32_t* targets, int64_t first) {
  ops::score(ctx_, outputs_.as<float>() + first, outputs_.as<int32_t>() + max_tokens_ + first,
             logits, targets, vocab_size_);
}

Scorer::Result Scorer::fetch(int64_t count) {
  const int64_t start = 2 * max_tokens_ * static_cast<int64_t>(next_result_);
  auto* logprobs = results_.as<float>() + start;
  auto* is_argmax = results_.as<int32_t>() + start + max_tokens_;
  next_result_ = (next_result_ + 1) % kPassPlaces;
  download(ctx_, logprobs, outputs_.as<float>(), count * sizeof(float));
  download(ctx_, is_argmax, outputs_.as<int32_t>() + max_tokens_, count * sizeof(int32_t));
  return {.logprobs = logprobs, .is_argmax = is_argmax};
}

}  // namespace eet
