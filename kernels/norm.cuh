// What the norm kernels share.
#pragma once

#include "kernels/norm.h"
#include "kernels/reduce.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {

// Of a block that has a row.
inline constexpr int kMaxNormThreads = 1024;
// Elements that a thread keeps in registers. The few leave room for the weights beside them.
inline constexpr int kFewElements = 8;
inline constexpr int kManyElements = kMaxNormHidden / kMaxNormThreads;

// A norm as the kernels compute it: an absent weight is loaded as zeros, so that its factor is the
// offset alone, and kNone has neither weight nor bias.
template <typename W>
Norm<W> resolve(const Norm<W>& norm) {
  Norm<W> resolved = norm;
  if (norm.kind == NormKind::kNone) resolved.weight = resolved.bias = nullptr;
  if (resolved.weight == nullptr) resolved.weight_offset = 1.0F;
  return resolved;
}

// A thread's part of a row; zeros beyond the row, and where there is none.
template <typename T, int N, int kSteps>
__device__ __forceinline__ void load_row(Vec<T, N> (&part)[kSteps], const T* row, int first,
                                         int stride, int hidden) {
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int column = first + step * stride;
    if (row != nullptr && column < hidden) {
      part[step] = load_vec<N>(row + column);
    } else {
      part[step] = {};
    }
  }
}

// The columns of a thread: N neighbouring ones of each step, from `first` on.
struct Columns {
  int first;
  int stride;
  int count;  // of the row
};

// A thread's part of a norm's weights and biases.
template <typename T, int N, int kSteps>
struct NormPart {
  Vec<T, N> weight[kSteps];
  Vec<T, N> bias[kSteps];

  __device__ __forceinline__ void load(const Norm<T>& norm, const Columns& columns) {
    load_row(weight, norm.weight, columns.first, columns.stride, columns.count);
    load_row(bias, norm.bias, columns.first, columns.stride, columns.count);
  }
};

// Calls body(step, column) for every N elements that the thread has of the row.
template <int N, int kSteps, typename Body>
__device__ __forceinline__ void for_each_vector(const Columns& columns, const Body& body) {
#pragma unroll
  for (int step = 0; step < kSteps; ++step) {
    const int column = columns.first + step * columns.stride;
    if (column < columns.count) body(step, column);
  }
}

// Calls body(step, i) for every element that the thread has of the row.
template <int N, int kSteps, typename Body>
__device__ __forceinline__ void for_each_element(const Columns& columns, const Body& body) {
  for_each_vector<N, kSteps>(columns, [&](int step, int /*column*/) {
#pragma unroll
    for (int i = 0; i < N; ++i) body(step, i);
  });
}

// Normalises a row that the block has in registers.
template <bool kMaySubtractMean, typename T, int N, int kSteps>
__device__ __forceinline__ void normalise(Vec<float, N> (&x)[kSteps], const Norm<T>& norm,
                                          const NormPart<T, N, kSteps>& part,
                                          const Columns& columns, float (&partial)[2][kMaxWarps]) {
  if (norm.kind == NormKind::kNone) return;
  const auto size = static_cast<float>(columns.count);
  float mean = 0.0F;
  if (kMaySubtractMean && norm.kind == NormKind::kLayer) {
    float sum = 0.0F;
    for_each_element<N, kSteps>(columns, [&](int step, int i) { sum += x[step].value[i]; });
    mean = block_sum(sum, partial[0]) / size;
  }
  float sum_of_squares = 0.0F;
  for_each_element<N, kSteps>(columns, [&](int step, int i) {
    const float distance = x[step].value[i] - mean;
    sum_of_squares += distance * distance;
  });
  const float variance = block_sum(sum_of_squares, partial[1]) / size;
  const float inverse = 1.0F / sqrtf(variance + norm.eps);
  for_each_element<N, kSteps>(columns, [&](int step, int i) {
    const float factor = norm.weight_offset + to_float(part.weight[step].value[i]);
    x[step].value[i] = (x[step].value[i] - mean) * inverse * factor;
    if (norm.bias != nullptr) x[step].value[i] += to_float(part.bias[step].value[i]);
  });
}

}  // namespace eet::kernels
