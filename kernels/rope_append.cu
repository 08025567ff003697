// Rotary position embedding, and the step that moves new keys and values into the KV pages.
#include "kernels/contract/host_device.h"
#include "kernels/contract/kv_layout.h"
#include "kernels/launch.cuh"
#include "kernels/rope.cuh"
#include "kernels/rope_append.h"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kMaxThreads = 256;

// N elements of a head's first half and their partners in the second.
template <typename T, int N>
struct Pairs {
  Vec<T, N> low;
  Vec<T, N> high;
};

template <int N, typename T>
__device__ __forceinline__ Pairs<T, N> load_pairs(const T* head, int half) {
  return {load_vec<N>(head), load_vec<N>(head + half)};
}

template <int N, typename T>
__device__ __forceinline__ void store_pairs(T* head, int half, const Pairs<T, N>& pairs) {
  store_vec<N>(head, pairs.low);
  store_vec<N>(head + half, pairs.high);
}

template <typename T, int N>
__device__ __forceinline__ Pairs<T, N> rotate(const Pairs<T, N>& pairs,
                                              const Vec<float, 2 * N>& cos_sin) {
  Pairs<T, N> turned;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float a = to_float(pairs.low.value[i]);
    const float b = to_float(pairs.high.value[i]);
    const float cosine = cos_sin.value[2 * i];
    const float sine = cos_sin.value[2 * i + 1];
    turned.low.value[i] = from_float<T>(turned_low(a, b, cosine, sine));
    turned.high.value[i] = from_float<T>(turned_high(a, b, cosine, sine));
  }
  return turned;
}

// One block per token. threadIdx.x is the place in a head (N pairs each), threadIdx.y the head; a
// thread keeps its place over all heads it handles, and so its angles.
template <typename T, int N, bool kRotate>
__global__ void __launch_bounds__(kMaxThreads)
    rope_append_kernel(T* qkv, T* keys, T* values, KvDestination destination, QkvShape shape,
                       const float* __restrict__ rope_table) {
  wait_for_previous_kernel();
  const int64_t token = blockIdx.x;
  const int position = destination.positions[token];
  if (position < 0) return;
  const int half = shape.head_dim / 2;
  const int column = static_cast<int>(threadIdx.x) * N;
  const int first_value_head = shape.num_heads + shape.num_kv_heads;
  const int num_all_heads = first_value_head + shape.num_kv_heads;
  const int64_t page =
      destination.block_tables[destination.token_slots[token] *
                                   static_cast<int64_t>(destination.block_table_stride) +
                               position / kPageSize];

  Vec<float, 2 * N> cos_sin;
  if constexpr (kRotate) {
    cos_sin = load_vec<2 * N>(rope_table + (static_cast<int64_t>(position) * half + column) * 2);
  }
  T* token_qkv = qkv + token * num_all_heads * shape.head_dim + column;
  // Without rotation q stays as it is.
  const int first_head = kRotate ? 0 : shape.num_heads;
  for (int head = first_head + static_cast<int>(threadIdx.y); head < num_all_heads;
       head += static_cast<int>(blockDim.y)) {
    T* source = token_qkv + head * shape.head_dim;
    Pairs<T, N> pairs = load_pairs<N>(source, half);
    if constexpr (kRotate) {
      if (head < first_value_head) pairs = rotate(pairs, cos_sin);
    }
    T* target = source;
    if (head >= shape.num_heads) {
      const bool is_value = head >= first_value_head;
      const int kv_head = head - (is_value ? first_value_head : shape.num_heads);
      target = (is_value ? values : keys) + column +
               kv_offset(page, kv_head, position % kPageSize, shape.num_kv_heads, shape.head_dim);
    }
    store_pairs<N>(target, half, pairs);
  }
}

template <typename T, int N, bool kRotate>
void launch(T* qkv, T* keys, T* values, const KvDestination& destination, int num_tokens,
            const QkvShape& shape, const float* rope_table, cudaStream_t stream) {
  const int places = shape.head_dim / 2 / N;
  const int heads = (kRotate ? shape.num_heads : 0) + 2 * shape.num_kv_heads;
  const int max_heads_at_once = kMaxThreads / places;
  const int passes = ceil_div(heads, max_heads_at_once);
  const dim3 block(static_cast<unsigned>(places), static_cast<unsigned>(ceil_div(heads, passes)));
  launch_overlapped(rope_append_kernel<T, N, kRotate>, static_cast<unsigned>(num_tokens), block, 0,
                    stream, qkv, keys, values, destination, shape, rope_table);
}

}  // namespace

template <typename T>
void rope_append(T* qkv, T* keys, T* values, const KvDestination& destination, int num_tokens,
                 const QkvShape& shape, const float* rope_table, cudaStream_t stream) {
  if (num_tokens == 0) return;
  // Half a head is a multiple of 4 elements always, and of 8 mostly.
  constexpr int kWidth = kVecWidth<T>;
  const bool wide = shape.head_dim / 2 % kWidth == 0;
  const auto run = [&](auto launcher) {
    launcher(qkv, keys, values, destination, num_tokens, shape, rope_table, stream);
  };
  if (rope_table != nullptr) {
    run(wide ? launch<T, kWidth, true> : launch<T, 4, true>);
  } else {
    run(wide ? launch<T, kWidth, false> : launch<T, 4, false>);
  }
}

template void rope_append(float*, float*, float*, const KvDestination&, int, const QkvShape&,
                          const float*, cudaStream_t);
template void rope_append(__half*, __half*, __half*, const KvDestination&, int, const QkvShape&,
                          const float*, cudaStream_t);
template void rope_append(__nv_bfloat16*, __nv_bfloat16*, __nv_bfloat16*, const KvDestination&, int,
                          const QkvShape&, const float*, cudaStream_t);

}  // namespace eet::kernels
