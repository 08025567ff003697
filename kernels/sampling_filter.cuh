// Sampling among the tokens that top_k, top_p and min_p keep: one block of kFilterThreads for a
// row. No sort: a threshold is found by its bits with histograms of integer weights, whose sums do
// not depend on the order in which threads add.
#pragma once

#include <cstdint>

#include "kernels/contract/sampling_rules.h"
#include "kernels/reduce.cuh"

namespace eet::kernels {

inline constexpr int kFilterThreads = 1024;
inline constexpr int kFilterBins = 2 * kFilterThreads;
inline constexpr int kFilterListSize = 4096;

struct FilterShared {
  // 64-bit weights in two halves: shared memory adds 32 bits natively, 64 only by retrying.
  uint32_t low[kFilterBins];
  uint32_t high[kFilterBins];
  uint64_t warp_totals[kMaxWarps];
  float list[kFilterListSize];  // gaps in the coarse bin of the threshold
  int list_count;               // how many there are, beyond kFilterListSize too
  int bin;
  uint64_t above;
  float warp_best[kMaxWarps];
  int32_t warp_best_id[kMaxWarps];
};

// A row's logits after penalties and bans.
struct RowLogits {
  const float* logits;
  const uint16_t* counts;  // null without penalties
  const SlotParams* params;
  bool bans_stop_tokens;
  int vocab_size;

  __device__ float adjust(float z, int id) const {
    if (counts != nullptr) z = sampling::penalise(z, counts[id], *params);
    if (bans_stop_tokens && sampling::is_stop_token(*params, id)) z = -HUGE_VALF;
    return z;
  }
};

// The same divided by the temperature, and the largest of them.
struct ScaledRow {
  RowLogits logits;
  float temperature;
  float top;

  // visit(id, scaled logit) for this thread's share of the row; ids ascend.
  template <typename Visit>
  __device__ void for_each(Visit visit) const {
    constexpr int kLoads = 4;  // in flight
    for (int first = static_cast<int>(threadIdx.x); first < logits.vocab_size;
         first += kLoads * kFilterThreads) {
      float z[kLoads];
#pragma unroll
      for (int i = 0; i < kLoads; ++i) {
        const int id = first + i * kFilterThreads;
        z[i] = id < logits.vocab_size ? logits.logits[id] : 0.0F;
      }
#pragma unroll
      for (int i = 0; i < kLoads; ++i) {
        const int id = first + i * kFilterThreads;
        if (id < logits.vocab_size) {
          visit(id, sampling::apply_temperature(logits.adjust(z[i], id), temperature));
        }
      }
    }
  }

  template <typename Visit>
  __device__ void for_each_gap(Visit visit) const {
    for_each([&](int, float scaled) { visit(top - scaled); });
  }
};

__device__ inline void clear_histogram(FilterShared& shared) {
  for (int bin = static_cast<int>(threadIdx.x); bin < kFilterBins; bin += kFilterThreads) {
    shared.low[bin] = 0;
    shared.high[bin] = 0;
  }
}

__device__ inline void add_weight(FilterShared& shared, int bin, uint64_t weight) {
  if (weight == 0) return;
  const auto low = static_cast<uint32_t>(weight);
  const uint32_t before = atomicAdd(&shared.low[bin], low);
  const uint32_t carry = before + low < low ? 1 : 0;
  const uint32_t high = static_cast<uint32_t>(weight >> 32) + carry;
  if (high != 0) atomicAdd(&shared.high[bin], high);
}

__device__ inline uint64_t weight_of_bin(const FilterShared& shared, int bin) {
  return (uint64_t{shared.high[bin]} << 32) | shared.low[bin];
}

struct FoundBin {
  int bin;
  uint64_t remaining;  // of the target, after the bins before this one
};

// The first bin at which the running sum reaches target(sum of all bins); the last one when none
// does. All threads call it after a barrier; all get the answer.
template <typename Target>
__device__ FoundBin find_bin(FilterShared& shared, Target target) {
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % kWarpSize;
  const int warp = thread / kWarpSize;
  const uint64_t first = weight_of_bin(shared, 2 * thread);
  const uint64_t both = first + weight_of_bin(shared, 2 * thread + 1);
  uint64_t sum = both;  // of this warp's bins up to this thread's
#pragma unroll
  for (int offset = 1; offset < kWarpSize; offset *= 2) {
    const uint64_t other = __shfl_up_sync(0xFFFFFFFFU, sum, offset);
    if (lane >= offset) sum += other;
  }
  if (lane == kWarpSize - 1) shared.warp_totals[warp] = sum;
  __syncthreads();

  uint64_t total = shared.warp_totals[lane];
  uint64_t before = lane < warp ? total : 0;
#pragma unroll
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    total += __shfl_xor_sync(0xFFFFFFFFU, total, offset);
    before += __shfl_xor_sync(0xFFFFFFFFU, before, offset);
  }
  const uint64_t goal = target(total);
  const uint64_t start = before + sum - both;
  if (start < goal && goal <= start + both) {
    const bool in_first = goal <= start + first;
    shared.bin = in_first ? 2 * thread : 2 * thread + 1;
    shared.above = in_first ? start : start + first;
  }
  if (thread == 0 && total < goal) {
    shared.bin = kFilterBins - 1;
    shared.above = total;
  }
  __syncthreads();
  return {shared.bin, goal - shared.above};
}

// Bins of 1/64 over gaps from 0 to 32, the last one for all beyond. Logits spread over many of
// these, where their leading bits would crowd into a few and the adds would wait for each other.
__device__ inline int coarse_bin(float gap) {
  return static_cast<int>(fminf(gap * 64.0F, kFilterBins - 1.0F));
}

// The smallest gap such that the row's tokens up to it weigh target(total weight) or more, with
// weight(gap) an integer. Reads the row twice, more often only if kFilterListSize gaps share the
// coarse bin of the answer.
template <typename Weight, typename Target>
__device__ float select_gap(FilterShared& shared, const ScaledRow& row, Weight weight,
                            Target target) {
  clear_histogram(shared);
  if (threadIdx.x == 0) shared.list_count = 0;
  __syncthreads();
  row.for_each_gap([&](float gap) {
    const int bin = coarse_bin(gap);
    // The last bin may hold most of the row; find_bin falls back on it uncounted.
    if (bin < kFilterBins - 1) add_weight(shared, bin, weight(gap));
  });
  __syncthreads();
  FoundBin found = find_bin(shared, target);
  const int coarse = found.bin;

  // Within the bin by the bits of the gap, 11 + 11 + 9 of them, highest first.
  int32_t prefix = 0;  // right from bit `known` up
#pragma unroll 1
  for (int known = 31, shift = 20; known > 0; known = shift, shift = shift > 9 ? 9 : 0) {
    const bool first = known == 31;
    const bool listed = !first && shared.list_count <= kFilterListSize;
    const auto visit = [&](float gap) {
      const int32_t bits = sampling::bits_of(gap);
      if (coarse_bin(gap) != coarse || ((bits ^ prefix) >> known) != 0) return;
      if (first) {
        const int place = atomicAdd(&shared.list_count, 1);
        if (place < kFilterListSize) shared.list[place] = gap;
      }
      add_weight(shared, (bits >> shift) & (kFilterBins - 1), weight(gap));
    };
    clear_histogram(shared);
    __syncthreads();
    if (listed) {
      for (int i = static_cast<int>(threadIdx.x); i < shared.list_count; i += kFilterThreads) {
        visit(shared.list[i]);
      }
    } else {
      row.for_each_gap(visit);
    }
    __syncthreads();
    found = find_bin(shared, [&](uint64_t) { return found.remaining; });
    prefix |= found.bin << shift;
  }
  return sampling::float_of(prefix);
}

// The largest gap that top_k, of those top_p, and of those min_p keep.
__device__ inline float kept_gap(FilterShared& shared, const ScaledRow& row) {
  const SlotParams& params = *row.logits.params;
  float kept = HUGE_VALF;
  if (params.top_k > 0 && params.top_k < row.logits.vocab_size) {
    kept = select_gap(
        shared, row, [](float) { return uint64_t{1}; },
        [&](uint64_t) { return static_cast<uint64_t>(params.top_k); });
  }
  if (params.top_p < 1.0F) {
    const float limit = kept;
    kept = select_gap(
        shared, row,
        [=](float gap) { return gap <= limit ? sampling::mass_of_gap(gap) : uint64_t{0}; },
        [&](uint64_t total) { return sampling::top_p_mass(params.top_p, total); });
  }
  return fminf(kept, sampling::min_p_gap(params.min_p));
}

// Whether (a, a_id) comes before (b, b_id): the larger score, on a tie the lower id.
__device__ inline bool is_better(float a, int32_t a_id, float b, int32_t b_id) {
  return a > b || (a == b && a_id < b_id);
}

// Draws a token of the row with its filters. All threads of the block call it; all get the answer.
__device__ inline int32_t draw_filtered(FilterShared& shared, const ScaledRow& row,
                                        int32_t num_generated) {
  const SlotParams& params = *row.logits.params;
  const float kept = kept_gap(shared, row);
  float best = -HUGE_VALF;
  int32_t best_id = INT32_MAX;
  row.for_each([&](int id, float scaled) {
    if (row.top - scaled > kept || scaled + sampling::kMaxGumbel < best) return;
    const PhiloxWords words = sampling::token_words(params, num_generated, id / 4);
    const int word = id % 4;
    // Not words.word[word]: an index known only at run time would put the words in memory.
    const uint32_t low = word == 0 ? words.word[0] : words.word[1];
    const uint32_t high = word == 2 ? words.word[2] : words.word[3];
    const float score = scaled + sampling::gumbel(word < 2 ? low : high);
    if (score > best) {
      best = score;
      best_id = id;
    }
  });

  const auto reduce_warp = [&] {
#pragma unroll
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
      const float other = __shfl_xor_sync(0xFFFFFFFFU, best, offset);
      const int32_t other_id = __shfl_xor_sync(0xFFFFFFFFU, best_id, offset);
      if (is_better(other, other_id, best, best_id)) {
        best = other;
        best_id = other_id;
      }
    }
  };
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  reduce_warp();
  if (lane == 0) {
    shared.warp_best[threadIdx.x / kWarpSize] = best;
    shared.warp_best_id[threadIdx.x / kWarpSize] = best_id;
  }
  __syncthreads();
  best = shared.warp_best[lane];
  best_id = shared.warp_best_id[lane];
  reduce_warp();
  return best_id;
}

}  // namespace eet::kernels
