#include "kernels/sampling.h"

#include "kernels/score.h"
#include "kernels/top_logprobs.h"
#include "lib/cuda/cuda_context.h"
#include "lib/ops/cuda/ops_cuda.h"

namespace eet::ops::cuda {

void sample(const Context& ctx, const SampledRing& sampled, TensorView logits, const int32_t* slots,
            const SlotTables& tables, void* scratch) {
  const kernels::SamplingTables sampling_tables{.params = tables.params,
                                                .states = tables.states,
                                                .token_counts = tables.token_counts,
                                                .vocab_size = tables.vocab_size};
  kernels::sample(sampled, sampling_tables, logits.as<float>(), logits.dim(1), slots,
                  static_cast<int>(logits.dim(0)), scratch, ctx.cuda->stream());
}

void score(const Context& ctx, float* logprobs, int32_t* is_argmax, TensorView logits,
           const int32_t* targets, int64_t vocab_size) {
  kernels::score(logprobs, is_argmax, logits.as<float>(), logits.dim(1), targets,
                 static_cast<int>(logits.dim(0)), static_cast<int>(vocab_size), ctx.cuda->stream());
}

void top_logprobs(const Context& ctx, int32_t* ids, float* logprobs, int count, TensorView logits,
                  int64_t vocab_size) {
  kernels::top_logprobs(ids, logprobs, count, logits.as<float>(), logits.dim(1),
                        static_cast<int>(logits.dim(0)), static_cast<int>(vocab_size),
                        ctx.cuda->stream());
}

size_t sample_scratch_bytes(const Context& /*ctx*/, int max_num_seqs, int64_t vocab_size) {
  return kernels::sample_scratch_bytes(max_num_seqs, vocab_size);
}

}  // namespace eet::ops::cuda
