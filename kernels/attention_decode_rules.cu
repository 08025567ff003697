// The variant of decode attention in fp16 and bf16 that obeys ScoreRules.
#include "kernels/attention_decode_mma.cuh"

namespace eet::kernels {
namespace {

template <typename T, int kDim, bool kAppends>
void launch(const DecodeArgs<T>& args, const LayerRules& rules, dim3 grid, cudaStream_t stream) {
  launch_decode_kernel<T, kDim>(decode_mma_kernel<T, kDim, 1, kAppends, LayerRules>, args, rules,
                                grid, stream);
}

template <typename T, int kDim>
void launch(const DecodeArgs<T>& args, const LayerRules& rules, dim3 grid, cudaStream_t stream) {
  const bool appends = args.append.keys != nullptr;
  (appends ? launch<T, kDim, true> : launch<T, kDim, false>)(args, rules, grid, stream);
}

}  // namespace

template <typename T, typename Rules>
void launch_decode_mma(const DecodeArgs<T>& args, const Rules& rules, dim3 grid,
                       cudaStream_t stream) {
  const int head_dim = args.heads.head_dim;
  (head_dim <= 64    ? launch<T, 64>
   : head_dim <= 128 ? launch<T, 128>
   : head_dim <= 256 ? launch<T, 256>
                     : launch<T, 512, false>)(args, rules, grid, stream);
}

template void launch_decode_mma(const DecodeArgs<__half>&, const LayerRules&, dim3, cudaStream_t);
template void launch_decode_mma(const DecodeArgs<__nv_bfloat16>&, const LayerRules&, dim3,
                                cudaStream_t);

}  // namespace eet::kernels
