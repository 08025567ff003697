// The plain variant of prefill attention in fp16 and bf16.
#include "kernels/attention_prefill_mma.cuh"

namespace eet::kernels {

template <typename T, typename Rules>
void launch_prefill_mma(const PrefillArgs<T>& args, const Rules& rules, int num_rows,
                        int max_query_len, cudaStream_t stream) {
  const int head_dim = args.heads.head_dim;
  const auto run = [&](auto launch) { launch(args, rules, num_rows, max_query_len, stream); };
  if (head_dim <= 64) return run(launch_prefill_kernel<T, 64, Rules>);
  if (head_dim <= 96) return run(launch_prefill_kernel<T, 96, Rules>);
  if (head_dim <= 128) return run(launch_prefill_kernel<T, 128, Rules>);
  if (head_dim <= 192) return run(launch_prefill_kernel<T, 192, Rules>);
  run(launch_prefill_kernel<T, 256, Rules>);
}

template void launch_prefill_mma(const PrefillArgs<__half>&, const NoScoreRules&, int, int,
                                 cudaStream_t);
template void launch_prefill_mma(const PrefillArgs<__nv_bfloat16>&, const NoScoreRules&, int, int,
                                 cudaStream_t);

}  // namespace eet::kernels
