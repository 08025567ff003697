// Rotary position embedding, and the step that moves new keys and values into the KV pages.
#include "kernels/contract/host_device.h"
#include "kernels/contract/kv_layout.h"
#include "kernels/launch.cuh"
#include "kernels/precondition.h"
#include "kernels/rope_append.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kMaxThreads = 256;

// Whole heads by halves. One block per token. threadIdx.x is the place in a head (N pairs each),
// threadIdx.y the head; a thread keeps its place over all heads it handles, and so its angles.
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
  const int64_t page = page_of(destination, token, position);

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
    store_pairs<N>(target_of(head, source - column, keys, values, page, position, shape) + column,
                   half, pairs);
  }
}

// A part of each head, by halves or interleaved, by the rows of the table that `rope.rows` tells.
// The elements of a head are parted into runs of 2 * N, or, where halves turn, N of the one and
// their partners in the other: threadIdx.x. threadIdx.y is the head. N divides rotary_dim / 2 and
// head_dim / 2.
template <typename T, int N>
__global__ void __launch_bounds__(kMaxThreads)
    rope_part_append_kernel(T* qkv, T* keys, T* values, KvDestination destination, QkvShape shape,
                            const Rope rope) {
  wait_for_previous_kernel();
  const int64_t token = blockIdx.x;
  const int position = destination.positions[token];
  if (position < 0) return;
  const int64_t table_row = rope.rows == nullptr ? position : rope.rows[token];
  const int64_t page = page_of(destination, token, position);
  const int first_value_head = shape.num_heads + shape.num_kv_heads;
  const int num_all_heads = first_value_head + shape.num_kv_heads;
  const int pair = static_cast<int>(threadIdx.x) * N;
  const bool turns = pair < rope.rotary_dim / 2;
  const bool by_halves = turns && !rope.interleaved;
  const int first = by_halves ? pair : 2 * pair;
  const int distance = by_halves ? rope.rotary_dim / 2 : N;

  Vec<float, 2 * N> cos_sin = {};
  if (turns) cos_sin = load_vec<2 * N>(rope.table + table_row * rope.rotary_dim + 2 * pair);
  T* token_qkv = qkv + token * num_all_heads * shape.head_dim;
  for (int head = static_cast<int>(threadIdx.y); head < num_all_heads;
       head += static_cast<int>(blockDim.y)) {
    T* source = token_qkv + head * shape.head_dim;
    Pairs<T, N> pairs = load_pairs<N>(source + first, distance);
    if (turns && head < first_value_head) {
      pairs = by_halves ? rotate(pairs, cos_sin) : rotate_interleaved(pairs, cos_sin);
    }
    store_pairs<N>(target_of(head, source, keys, values, page, position, shape) + first, distance,
                   pairs);
  }
}

// A block for each token: its threads along x are the `places` of a head, along y heads.
dim3 block_of(int places, int heads) {
  const int passes = ceil_div(heads, kMaxThreads / places);
  return {static_cast<unsigned>(places), static_cast<unsigned>(ceil_div(heads, passes))};
}

template <typename T, int N, bool kRotate>
void launch(T* qkv, T* keys, T* values, const KvDestination& destination, int num_tokens,
            const QkvShape& shape, const Rope& rope, cudaStream_t stream) {
  const int heads = (kRotate ? shape.num_heads : 0) + 2 * shape.num_kv_heads;
  launch_overlapped(rope_append_kernel<T, N, kRotate>, static_cast<unsigned>(num_tokens),
                    block_of(shape.head_dim / 2 / N, heads), 0, stream, qkv, keys, values,
                    destination, shape, rope.table);
}

template <typename T, int N>
void launch_part(T* qkv, T* keys, T* values, const KvDestination& destination, int num_tokens,
                 const QkvShape& shape, const Rope& rope, cudaStream_t stream) {
  const int heads = shape.num_heads + 2 * shape.num_kv_heads;
  launch_overlapped(rope_part_append_kernel<T, N>, static_cast<unsigned>(num_tokens),
                    block_of(shape.head_dim / 2 / N, heads), 0, stream, qkv, keys, values,
                    destination, shape, rope);
}

}  // namespace

template <typename T>
void rope_append(T* qkv, T* keys, T* values, const KvDestination& destination, int num_tokens,
                 const QkvShape& shape, const Rope& rope, cudaStream_t stream) {
  check_precondition(
      shape.head_dim > 0 && shape.head_dim % 8 == 0 && shape.head_dim <= 2 * kMaxThreads,
      "rope_append: head_dim of ", shape.head_dim);
  check_precondition(
      rope.table == nullptr ||
          (rope.rotary_dim > 0 && rope.rotary_dim % 2 == 0 && rope.rotary_dim <= shape.head_dim),
      "rope_append: rotary_dim of ", rope.rotary_dim, " in heads of ", shape.head_dim);
  if (num_tokens == 0) return;
  const auto run = [&](auto launcher) {
    launcher(qkv, keys, values, destination, num_tokens, shape, rope, stream);
  };
  // Half a head is a multiple of 4 elements always, and of 8 mostly.
  constexpr int kWidth = kVecWidth<T>;
  const bool wide = shape.head_dim / 2 % kWidth == 0;
  if (!is_plain(rope, shape.head_dim)) {
    run(rope.rotary_dim % 8 == 0 ? launch_part<T, 4> : launch_part<T, 1>);
  } else if (rope.table != nullptr) {
    run(wide ? launch<T, kWidth, true> : launch<T, 4, true>);
  } else {
    run(wide ? launch<T, kWidth, false> : launch<T, 4, false>);
  }
}

template void rope_append(float*, float*, float*, const KvDestination&, int, const QkvShape&,
                          const Rope&, cudaStream_t);
template void rope_append(__half*, __half*, __half*, const KvDestination&, int, const QkvShape&,
                          const Rope&, cudaStream_t);
template void rope_append(__nv_bfloat16*, __nv_bfloat16*, __nv_bfloat16*, const KvDestination&, int,
                          const QkvShape&, const Rope&, cudaStream_t);

}  // namespace eet::kernels
