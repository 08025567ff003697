// The plain variant of decode attention in fp16 and bf16.
#include "kernels/attention_decode_mma.cuh"

namespace eet::kernels {
namespace {

template <typename T, int kDim, int kHeadTiles>
void launch(const DecodeArgs<T>& args, const PlainRules& rules, dim3 grid, cudaStream_t stream) {
  const auto kernel = args.append.keys != nullptr
                          ? decode_mma_kernel<T, kDim, kHeadTiles, true, PlainRules>
                          : decode_mma_kernel<T, kDim, kHeadTiles, false, PlainRules>;
  launch_decode_kernel<T, kDim>(kernel, args, rules, grid, stream);
}

template <typename T, int kDim>
void launch(const DecodeArgs<T>& args, const PlainRules& rules, dim3 grid, cudaStream_t stream) {
  (args.group <= 8 ? launch<T, kDim, 1> : launch<T, kDim, 2>)(args, rules, grid, stream);
}

}  // namespace

template <typename T, typename Rules>
void launch_decode_mma(const DecodeArgs<T>& args, const Rules& rules, dim3 grid,
                       cudaStream_t stream) {
  const int head_dim = args.heads.head_dim;
  (head_dim <= 64    ? launch<T, 64>
   : head_dim <= 128 ? launch<T, 128>
                     : launch<T, 256>)(args, rules, grid, stream);
}

template void launch_decode_mma(const DecodeArgs<__half>&, const PlainRules&, dim3, cudaStream_t);
template void launch_decode_mma(const DecodeArgs<__nv_bfloat16>&, const PlainRules&, dim3,
                                cudaStream_t);

}  // namespace eet::kernels
