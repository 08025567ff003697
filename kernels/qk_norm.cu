// QK-norm, and the rotation and the append after it in the same pass over a token.
#include <algorithm>

#include "kernels/contract/host_device.h"
#include "kernels/launch.cuh"
#include "kernels/norm.cuh"
#include "kernels/precondition.h"
#include "kernels/qk_norm.h"
#include "kernels/reduce.cuh"
#include "kernels/rope_append.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kMaxThreads = 384;
// Heads that a thread loads parts of before it uses the first.
constexpr int kBatch = 2;

// The sum over the kLanes lanes that share a head.
template <int kLanes>
__device__ __forceinline__ float team_sum(float x) {
  const unsigned first_lane = threadIdx.x % kWarpSize / kLanes * kLanes;
  const unsigned team = (0xFFFFFFFFU >> (kWarpSize - kLanes)) << first_lane;
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(team, x, offset);
  return x;
}

// N elements of a head and their N partners: those that they turn with, or, of what does not turn
// by halves, the next N.
struct Place {
  int first;
  int distance;
  int pair;  // of the angles
  bool exists;
  bool turns;
};

template <int N>
__device__ __forceinline__ Place place_of(int index, int head_dim, const Rope& rope) {
  const int pair = index * N;
  const int half = rope.table == nullptr ? 0 : rope.rotary_dim / 2;
  const bool turns = pair < half;
  const bool by_halves = turns && !rope.interleaved;
  return {.first = by_halves ? pair : 2 * pair,
          .distance = by_halves ? half : N,
          .pair = pair,
          .exists = 2 * pair < head_dim,
          .turns = turns};
}

// A thread's part of a head, or of a head's weights; zeros where it has none.
template <typename T, int N, int kSteps>
struct HeadPart {
  Pairs<T, N> pairs[kSteps];

  __device__ __forceinline__ void load(const T* head, const Place (&places)[kSteps]) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      pairs[step] = {};
      if (head == nullptr || !places[step].exists) continue;
      pairs[step] = load_pairs<N>(head + places[step].first, places[step].distance);
    }
  }

  __device__ __forceinline__ void store(T* head, const Place (&places)[kSteps]) const {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if (!places[step].exists) continue;
      store_pairs<N>(head + places[step].first, places[step].distance, pairs[step]);
    }
  }

  // Keeps the compiler from holding the elements in fp32, too, from one use to the next: there are
  // no registers for that.
  __device__ __forceinline__ void stay_packed() {
    if constexpr (sizeof(T) == 2 && N % 2 == 0) {
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        auto* words = reinterpret_cast<uint32_t*>(&pairs[step]);
#pragma unroll
        for (int i = 0; i < N; ++i) asm volatile("" : "+r"(words[i]));
      }
    }
  }

  __device__ __forceinline__ float sum() const {
    float sum = 0.0F;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
#pragma unroll
      for (int i = 0; i < N; ++i) {
        sum += to_float(pairs[step].low.value[i]) + to_float(pairs[step].high.value[i]);
      }
    }
    return sum;
  }

  // Of the squared distances from `mean`.
  __device__ __forceinline__ float sum_of_squares(float mean, const Place (&places)[kSteps]) const {
    float sum = 0.0F;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if (!places[step].exists) continue;
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float a = to_float(pairs[step].low.value[i]) - mean;
        const float b = to_float(pairs[step].high.value[i]) - mean;
        sum += a * a + b * b;
      }
    }
    return sum;
  }
};

// What a group of `size` elements is normalised by.
struct Moments {
  float mean;
  float inverse;
};
__device__ __forceinline__ float inverse_of(float sum_of_squares, float size, float eps) {
  return 1.0F / sqrtf(sum_of_squares / size + eps);
}

// N elements, normalised, whose weights these are; biases: theirs, or null.
template <typename T, int N>
__device__ __forceinline__ Vec<T, N> normalise(const Vec<T, N>& x, const Moments& moments,
                                               float weight_offset, const Vec<T, N>& weight,
                                               const T* biases) {
  Vec<float, N> y;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float factor = weight_offset + to_float(weight.value[i]);
    y.value[i] = (to_float(x.value[i]) - moments.mean) * moments.inverse * factor;
  }
  if (biases != nullptr) {
    const Vec<T, N> bias = load_vec<N>(biases);
#pragma unroll
    for (int i = 0; i < N; ++i) y.value[i] += to_float(bias.value[i]);
  }
  Vec<T, N> rounded;
#pragma unroll
  for (int i = 0; i < N; ++i) rounded.value[i] = from_float<T>(y.value[i]);
  return rounded;
}

// One block per token; kLanes lanes to a head, the heads dealt to the teams in turn. Without `keys`
// normalised heads stay where they are and nothing turns.
template <typename T, int N, int kSteps, int kLanes, bool kByHead>
__global__ void __launch_bounds__(kMaxThreads, 2)
    qk_norm_kernel(T* qkv, T* keys, T* values, const KvDestination destination,
                   const QkvShape shape, const Rope rope, const QkNorm<T> norms) {
  __shared__ float partials[4][kMaxWarps];
  const int64_t token = blockIdx.x;
  const int head_dim = shape.head_dim;
  const int first_value_head = shape.num_heads + shape.num_kv_heads;
  const int num_all_heads = first_value_head + shape.num_kv_heads;
  const int team = static_cast<int>(threadIdx.x) / kLanes;
  const int num_teams = static_cast<int>(blockDim.x) / kLanes;
  const bool appends = keys != nullptr;
  // All that is read before the wait is older than the kernel before.
  if (!appends) release_next_kernel();

  Place places[kSteps];
  Vec<float, 2 * N> cos_sin[kSteps];
  const int position = appends ? destination.positions[token] : 0;
  if (position < 0) {  // no return yet: every thread waits
    wait_for_previous_kernel();
    return;
  }
  const int64_t page = appends ? page_of(destination, token, position) : 0;
  const int64_t table_row = appends && rope.rows != nullptr ? rope.rows[token] : position;
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    places[step] =
        place_of<N>(static_cast<int>(threadIdx.x) % kLanes + step * kLanes, head_dim, rope);
    if (!appends || !places[step].turns) continue;
    cos_sin[step] =
        load_vec<2 * N>(rope.table + table_row * rope.rotary_dim + 2 * places[step].pair);
  }
  wait_for_previous_kernel();

  T* token_qkv = qkv + token * num_all_heads * head_dim;
  const int num_heads = appends ? num_all_heads : first_value_head;
  const bool subtracts_mean = norms.q.norm.kind == NormKind::kLayer;
  HeadPart<T, N, kSteps> parts[kBatch];
  const auto load_batch = [&](int first) {
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int head = first + i * num_teams;
      parts[i].load(head < num_heads ? token_qkv + head * head_dim : nullptr, places);
    }
  };
  const bool fits = num_heads <= kBatch * num_teams;
  Moments moments[2] = {};  // of queries, of keys
  if constexpr (!kByHead) {
    if (fits) load_batch(team);
    float sums[2];
    // Sums of term(part, is_key) over the team's heads of queries, and of keys.
    const auto sum_up = [&](const auto& term) {
      sums[0] = sums[1] = 0.0F;
      for (int first = team; first < first_value_head; first += kBatch * num_teams) {
        if (!fits) load_batch(first);
#pragma unroll
        for (int i = 0; i < kBatch; ++i) {
          const int head = first + i * num_teams;
          const bool is_key = head >= shape.num_heads;
          const float sum = term(parts[i], is_key);
          parts[i].stay_packed();
          if (!is_key) sums[0] += sum;
          if (is_key && head < first_value_head) sums[1] += sum;
        }
      }
    };
    const auto q_size = static_cast<float>(shape.num_heads * head_dim);
    const auto k_size = static_cast<float>(shape.num_kv_heads * head_dim);
    if (subtracts_mean) {
      sum_up([](const auto& part, bool) { return part.sum(); });
      moments[0].mean = block_sum(sums[0], partials[0]) / q_size;
      moments[1].mean = block_sum(sums[1], partials[1]) / k_size;
    }
    sum_up([&](const auto& part, bool is_key) {
      return part.sum_of_squares(is_key ? moments[1].mean : moments[0].mean, places);
    });
    moments[0].inverse = inverse_of(block_sum(sums[0], partials[2]), q_size, norms.q.norm.eps);
    moments[1].inverse = inverse_of(block_sum(sums[1], partials[3]), k_size, norms.k.norm.eps);
  }

  const auto finish = [&](int head, HeadPart<T, N, kSteps>& part) {
    T* source = token_qkv + head * head_dim;
    T* target = appends ? target_of(head, source, keys, values, page, position, shape) : source;
    if (head >= first_value_head) return part.store(target, places);
    const bool is_key = head >= shape.num_heads;
    // Of the fields alone: a parameter whose address is taken would be copied to memory.
    const float eps = is_key ? norms.k.norm.eps : norms.q.norm.eps;
    const float offset = is_key ? norms.k.norm.weight_offset : norms.q.norm.weight_offset;
    const T* weights = is_key ? norms.k.norm.weight : norms.q.norm.weight;
    const T* biases = is_key ? norms.k.norm.bias : norms.q.norm.bias;
    const int first_weight =
        is_key ? (head - shape.num_heads) * norms.k.stride : head * norms.q.stride;
    HeadPart<T, N, kSteps> weight;
    weight.load(weights == nullptr ? nullptr : weights + first_weight, places);
    Moments by = is_key ? moments[1] : moments[0];
    if constexpr (kByHead) {
      const auto size = static_cast<float>(head_dim);
      by.mean = subtracts_mean ? team_sum<kLanes>(part.sum()) / size : 0.0F;
      by.inverse = inverse_of(team_sum<kLanes>(part.sum_of_squares(by.mean, places)), size, eps);
      part.stay_packed();
    }
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      Pairs<T, N>& pairs = part.pairs[step];
      const Pairs<T, N>& w = weight.pairs[step];
      const T* low_biases = biases == nullptr || !places[step].exists
                                ? nullptr
                                : biases + first_weight + places[step].first;
      const T* high_biases = low_biases == nullptr ? nullptr : low_biases + places[step].distance;
      pairs = {normalise(pairs.low, by, offset, w.low, low_biases),
               normalise(pairs.high, by, offset, w.high, high_biases)};
      if (!appends || !places[step].turns) continue;
      pairs = rope.interleaved ? rotate_interleaved(pairs, cos_sin[step])
                               : rotate(pairs, cos_sin[step]);
    }
    part.store(target, places);
  };
  for (int first = team; first < num_heads; first += kBatch * num_teams) {
    if (kByHead || !fits) load_batch(first);
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int head = first + i * num_teams;
      if (head < num_heads) finish(head, parts[i]);
    }
  }
}

// Whether N elements of a norm's weights and biases, from multiples of N on, load as one.
template <int N, typename T>
bool is_wide(const HeadNorm<T>& norm) {
  return is_vectorisable<N>(norm.norm.weight, 0) && is_vectorisable<N>(norm.norm.bias, 0);
}

template <typename T>
HeadNorm<T> resolve(const HeadNorm<T>& norm) {
  return {.norm = kernels::resolve(norm.norm), .stride = norm.stride};
}

template <typename T, int N, int kSteps, int kLanes>
void launch(T* qkv, T* keys, T* values, const KvDestination& destination, int num_tokens,
            const QkvShape& shape, const Rope& rope, const QkNorm<T>& norms, cudaStream_t stream) {
  // The same threads whether values are moved too: they fix the order of a projection's sum.
  const int heads = shape.num_heads + 2 * shape.num_kv_heads;
  const int passes = ceil_div(heads, kMaxThreads / kLanes);
  const int threads = ceil_div(ceil_div(heads, passes) * kLanes, kWarpSize) * kWarpSize;
  const auto kernel = norms.by_head ? qk_norm_kernel<T, N, kSteps, kLanes, true>
                                    : qk_norm_kernel<T, N, kSteps, kLanes, false>;
  launch_overlapped(kernel, static_cast<unsigned>(num_tokens), threads, 0, stream, qkv, keys,
                    values, destination, shape, rope, norms);
}

}  // namespace

template <typename T>
void qk_norm_rope_append(T* qkv, T* keys, T* values, const KvDestination& destination,
                         int num_tokens, const QkvShape& shape, const Rope& rope,
                         const QkNorm<T>& norm, cudaStream_t stream) {
  constexpr int kMaxHeadDim = 512;
  check_precondition(shape.head_dim > 0 && shape.head_dim % 8 == 0 && shape.head_dim <= kMaxHeadDim,
                     "qk_norm: head_dim of ", shape.head_dim);
  check_precondition(rope.table == nullptr || (rope.rotary_dim > 0 && rope.rotary_dim % 2 == 0 &&
                                               rope.rotary_dim <= shape.head_dim),
                     "qk_norm: rotary_dim of ", rope.rotary_dim, " in heads of ", shape.head_dim);
  check_precondition(norm.q.norm.kind == norm.k.norm.kind && norm.q.norm.kind != NormKind::kNone,
                     "qk_norm: queries and keys have different norms, or none");
  if (num_tokens == 0) return;
  const QkNorm<T> norms = {.q = resolve(norm.q), .k = resolve(norm.k), .by_head = norm.by_head};
  // Whether N elements lie in one half of what turns, and of the rest, and load as one.
  const auto suits = [&]<int N>() {
    return shape.head_dim % (2 * N) == 0 &&
           (rope.table == nullptr || rope.rotary_dim % (2 * N) == 0) && is_wide<N>(norms.q) &&
           is_wide<N>(norms.k);
  };
  constexpr int kWidth = kVecWidth<T>;
  const int places = shape.head_dim / 2 / kWidth;
  auto launcher = launch<T, 1, kMaxHeadDim / 2 / kWarpSize, kWarpSize>;
  if (suits.template operator()<kWidth>() && places <= kWarpSize) {
    launcher = places <= 8    ? launch<T, kWidth, 1, 8>
               : places <= 16 ? launch<T, kWidth, 1, 16>
                              : launch<T, kWidth, 1, kWarpSize>;
  } else if (suits.template operator()<4>()) {
    launcher = launch<T, 4, 2, kWarpSize>;
  }
  launcher(qkv, keys, values, destination, num_tokens, shape, rope, norms, stream);
}

template <typename T>
void qk_norm(T* qkv, int num_tokens, const QkvShape& shape, const Rope& rope, const QkNorm<T>& norm,
             cudaStream_t stream) {
  qk_norm_rope_append<T>(qkv, nullptr, nullptr, {}, num_tokens, shape, rope, norm, stream);
}

#define EET_QK_NORM(T)                                                                          \
  template void qk_norm(T*, int, const QkvShape&, const Rope&, const QkNorm<T>&, cudaStream_t); \
  template void qk_norm_rope_append(T*, T*, T*, const KvDestination&, int, const QkvShape&,     \
                                    const Rope&, const QkNorm<T>&, cudaStream_t)
EET_QK_NORM(float);
EET_QK_NORM(__half);
EET_QK_NORM(__nv_bfloat16);
#undef EET_QK_NORM

}  // namespace eet::kernels
