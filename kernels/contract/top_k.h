// torch.topk on the CPU, to the order among equal scores: aten/src/ATen/native/TopKImpl.h calls
// std::partial_sort, std::nth_element and std::sort, and what these do with equal elements is
// libstdc++'s (bits/stl_algo.h, bits/stl_heap.h). Written out, so that a GPU does the same.
#pragma once

#include <cstdint>

#include "kernels/contract/host_device.h"

namespace eet {

// An expert and its score.
struct ScoredExpert {
  float score;
  int32_t expert;
};

namespace top_k {

// Descending, NaN first.
EET_HOST_DEVICE constexpr bool is_before(const ScoredExpert& a, const ScoredExpert& b) {
  const bool a_is_nan = a.score != a.score;
  const bool b_is_nan = b.score != b.score;
  return (a_is_nan && !b_is_nan) || a.score > b.score;
}

EET_HOST_DEVICE constexpr void swap(ScoredExpert& a, ScoredExpert& b) {
  const ScoredExpert held = a;
  a = b;
  b = held;
}

// Puts `value` into the heap of n elements whose place `hole` is free.
EET_HOST_DEVICE constexpr void adjust_heap(ScoredExpert* heap, int hole, int n,
                                           const ScoredExpert& value) {
  const int top = hole;
  int child = hole;
  while (child < (n - 1) / 2) {
    child = 2 * (child + 1);
    if (is_before(heap[child], heap[child - 1])) --child;
    heap[hole] = heap[child];
    hole = child;
  }
  if (n % 2 == 0 && child == (n - 2) / 2) {
    child = 2 * (child + 1);
    heap[hole] = heap[child - 1];
    hole = child - 1;
  }
  for (int parent = (hole - 1) / 2; hole > top && is_before(heap[parent], value);
       parent = (hole - 1) / 2) {
    heap[hole] = heap[parent];
    hole = parent;
  }
  heap[hole] = value;
}

// Moves the top of the heap of n elements to `to`, and what was there into the heap.
EET_HOST_DEVICE constexpr void pop_heap(ScoredExpert* heap, int n, ScoredExpert& to) {
  const ScoredExpert value = to;
  to = heap[0];
  adjust_heap(heap, 0, n, value);
}

// Makes a heap of the k first ones of n elements, the last of them on top.
EET_HOST_DEVICE constexpr void heap_select(ScoredExpert* all, int k, int n) {
  for (int parent = (k - 2) / 2; k >= 2 && parent >= 0; --parent) {
    const ScoredExpert value = all[parent];
    adjust_heap(all, parent, k, value);
  }
  for (int i = k; i < n; ++i) {
    if (is_before(all[i], all[0])) pop_heap(all, k, all[i]);
  }
}

EET_HOST_DEVICE constexpr void partial_sort(ScoredExpert* all, int k, int n) {
  heap_select(all, k, n);
  for (int last = k - 1; last > 0; --last) pop_heap(all, last, all[last]);
}

EET_HOST_DEVICE constexpr void insertion_sort(ScoredExpert* all, int n) {
  for (int i = 1; i < n; ++i) {
    const ScoredExpert value = all[i];
    int place = i;
    if (is_before(value, all[0])) {
      for (; place > 0; --place) all[place] = all[place - 1];
    } else {
      for (; is_before(value, all[place - 1]); --place) all[place] = all[place - 1];
    }
    all[place] = value;
  }
}

// Parts n > 3 elements at the median of the second, the middle and the last one; returns where the
// second part begins.
EET_HOST_DEVICE constexpr int partition(ScoredExpert* all, int n) {
  ScoredExpert& a = all[1];
  ScoredExpert& b = all[n / 2];
  ScoredExpert& c = all[n - 1];
  if (is_before(a, b)) {
    swap(all[0], is_before(b, c) ? b : is_before(a, c) ? c : a);
  } else {
    swap(all[0], is_before(a, c) ? a : is_before(b, c) ? c : b);
  }
  int first = 1;
  int last = n;
  for (;; ++first) {
    while (is_before(all[first], all[0])) ++first;
    --last;
    while (is_before(all[0], all[last])) --last;
    if (first >= last) return first;
    swap(all[first], all[last]);
  }
}

EET_HOST_DEVICE constexpr void nth_element(ScoredExpert* all, int nth, int n) {
  int begin = 0;
  int end = n;
  int depth = 0;
  for (int half = n; half > 1; half /= 2) depth += 2;
  for (; end - begin > 3; --depth) {
    if (depth == 0) {
      heap_select(all + begin, nth + 1 - begin, end - begin);
      swap(all[begin], all[nth]);
      return;
    }
    const int cut = begin + partition(all + begin, end - begin);
    (cut <= nth ? begin : end) = cut;
  }
  insertion_sort(all + begin, end - begin);
}

}  // namespace top_k

// Moves the k highest of n scores to the front, in descending order, NaN first. `scored` holds the
// experts in ascending order; 0 < k <= min(n, 16).
EET_HOST_DEVICE constexpr void select_top_k(ScoredExpert* scored, int n, int k) {
  if (k * 64 <= n) {
    top_k::partial_sort(scored, k, n);
    return;
  }
  top_k::nth_element(scored, k - 1, n);
  top_k::insertion_sort(scored, k - 1);  // which std::sort is for up to 16 elements
}

}  // namespace eet
