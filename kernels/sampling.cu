// Sampling in two kernels: blocks of (row, slice of the vocabulary) reduce the logits, which is all
// that greedy rows and rows without filters need; then a block for each row combines its slices,
// filters where the row asks for it, and moves the row's state on. Slices are fixed, and combined
// in a fixed order, so a row's result does not depend on the rows beside it.
#include <cfloat>

#include "kernels/contract/host_device.h"
#include "kernels/contract/sampling_rules.h"
#include "kernels/launch.cuh"
#include "kernels/reduce.cuh"
#include "kernels/sampling.h"
#include "kernels/sampling_filter.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kScanThreads = 256;
constexpr int kScanBlocks = 5;  // of an SM
constexpr int kRowsPerSM = 2;   // so that 256 rows are chosen for at once
constexpr int kGroup = 4;       // ids that share the words of one Philox call, and one 16-byte load
constexpr int kGroupsPerThread = 4;
constexpr int kSliceSize = kScanThreads * kGroupsPerThread * kGroup;

constexpr int32_t kNoToken = INT32_MAX;  // nothing above -inf

// What is known of a part of a row. `best` is the largest score and best_id the lowest id that has
// it: the score is the adjusted logit, or with Gumbel noise where that decides the draw.
struct SliceResult {
  float raw_max;
  float raw_sum;  // of exp(raw logit - raw_max)
  float best;
  int32_t best_id;  // kTokenNonFinite where the part holds a NaN or +inf
};

__device__ SliceResult empty_slice() {
  return {.raw_max = -HUGE_VALF, .raw_sum = 0.0F, .best = -HUGE_VALF, .best_id = kNoToken};
}

__device__ SliceResult merge(const SliceResult& a, const SliceResult& b) {
  SliceResult merged;
  merged.raw_max = fmaxf(a.raw_max, b.raw_max);
  const auto rescaled = [&](const SliceResult& part) {
    return part.raw_max == merged.raw_max ? part.raw_sum
                                          : part.raw_sum * __expf(part.raw_max - merged.raw_max);
  };
  merged.raw_sum = rescaled(a) + rescaled(b);
  const bool second = is_better(b.best, b.best_id, a.best, a.best_id);
  merged.best = second ? b.best : a.best;
  merged.best_id = second ? b.best_id : a.best_id;
  if (a.best_id == kTokenNonFinite || b.best_id == kTokenNonFinite) {
    merged.best_id = kTokenNonFinite;
  }
  return merged;
}

__device__ SliceResult merge_warp(SliceResult part) {
#pragma unroll
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    SliceResult other;
    other.raw_max = __shfl_xor_sync(0xFFFFFFFFU, part.raw_max, offset);
    other.raw_sum = __shfl_xor_sync(0xFFFFFFFFU, part.raw_sum, offset);
    other.best = __shfl_xor_sync(0xFFFFFFFFU, part.best, offset);
    other.best_id = __shfl_xor_sync(0xFFFFFFFFU, part.best_id, offset);
    part = merge(part, other);
  }
  return part;
}

__device__ bool chooses_token(const SlotParams& params, const SlotState& state) {
  return state.status == SlotStatus::kRunning && !sampling::replays_prompt(params, state);
}

__device__ RowLogits adjusted_row(const SamplingTables& tables, const float* logits, int32_t slot,
                                  const SlotState& state) {
  const SlotParams& params = tables.params[slot];
  return {.logits = logits,
          .counts = sampling::has_penalties(params) ? tables.token_counts + slot * tables.vocab_size
                                                    : nullptr,
          .params = &params,
          .bans_stop_tokens = sampling::bans_stop_tokens(params, state),
          .vocab_size = static_cast<int>(tables.vocab_size)};
}

// The first id of a thread's group, first_id being that of its first group.
__device__ __forceinline__ int id_of_group(int first_id, int group) {
  return first_id + group * kScanThreads * kGroup;
}

// The logits of the thread's groups; -inf past the vocabulary.
template <bool kVectorised>
__device__ void load_groups(float (&z)[kGroupsPerThread][kGroup], const float* logits, int first_id,
                            int vocab_size) {
  const bool is_whole = (static_cast<int>(blockIdx.y) + 1) * kSliceSize <= vocab_size;
#pragma unroll
  for (int group = 0; group < kGroupsPerThread; ++group) {
    const int id = id_of_group(first_id, group);
    if (kVectorised && is_whole) {
      const Vec<float, kGroup> loaded = load_vec<kGroup>(logits + id);
#pragma unroll
      for (int i = 0; i < kGroup; ++i) z[group][i] = loaded.value[i];
    } else {
#pragma unroll
      for (int i = 0; i < kGroup; ++i) {
        z[group][i] = id + i < vocab_size ? logits[id + i] : -HUGE_VALF;
      }
    }
  }
}

// slices: [num_rows, gridDim.y]; grid (num_rows, slices).
template <bool kVectorised>
__global__ __launch_bounds__(kScanThreads, kScanBlocks) void scan_slices_kernel(
    SliceResult* slices, SampledRing sampled, SamplingTables tables, const float* logits,
    int64_t stride, const int32_t* slots) {
  const int64_t row_index = blockIdx.x;
  const int32_t slot = slots[row_index];  // no kernel writes slots or parameters
  const SlotParams& params = tables.params[slot];
  wait_for_previous_kernel();
  if (blockIdx.x == 0 && blockIdx.y == 0 && threadIdx.x == 0) {
    *sampled.last_place = sampled.place_after(*sampled.last_place);
  }
  // Loaded beside the state, for which they need not wait.
  const int thread = static_cast<int>(threadIdx.x);
  const int first_id = static_cast<int>(blockIdx.y) * kSliceSize + thread * kGroup;
  const float* row_logits = logits + row_index * stride;
  float z[kGroupsPerThread][kGroup];
  load_groups<kVectorised>(z, row_logits, first_id, static_cast<int>(tables.vocab_size));
  const SlotState state = tables.states[slot];
  if (!chooses_token(params, state)) return;

  SliceResult result = empty_slice();
  bool non_finite = false;
#pragma unroll
  for (int group = 0; group < kGroupsPerThread; ++group) {
#pragma unroll
    for (int i = 0; i < kGroup; ++i) {
      result.raw_max = fmaxf(result.raw_max, z[group][i]);
      non_finite |= !(z[group][i] <= FLT_MAX);
    }
  }
  if (result.raw_max != -HUGE_VALF) {
#pragma unroll
    for (int group = 0; group < kGroupsPerThread; ++group) {
#pragma unroll
      for (int i = 0; i < kGroup; ++i) result.raw_sum += __expf(z[group][i] - result.raw_max);
    }
  }

  const RowLogits row = adjusted_row(tables, row_logits, slot, state);
  const bool adjusts = row.counts != nullptr || row.bans_stop_tokens;
  const bool draws = !sampling::is_greedy(params) && !sampling::is_filtered(params);
#pragma unroll
  for (int group = 0; group < kGroupsPerThread; ++group) {
    const int id = id_of_group(first_id, group);
    if (adjusts) {
#pragma unroll
      for (int i = 0; i < kGroup; ++i) {
        if (id + i < row.vocab_size) z[group][i] = row.adjust(z[group][i], id + i);
      }
    }
    if (draws) {
      const PhiloxWords words = sampling::token_words(params, state.num_generated, id / kGroup);
#pragma unroll
      for (int i = 0; i < kGroup; ++i) {
        z[group][i] = sampling::apply_temperature(z[group][i], params.temperature) +
                      sampling::gumbel(words.word[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < kGroup; ++i) {
      if (z[group][i] > result.best) {
        result.best = z[group][i];
        result.best_id = id + i;
      }
    }
  }
  if (non_finite) result.best_id = kTokenNonFinite;

  constexpr int kWarps = kScanThreads / kWarpSize;
  __shared__ SliceResult warp_results[kWarps];
  result = merge_warp(result);
  if (thread % kWarpSize == 0) warp_results[thread / kWarpSize] = result;
  __syncthreads();
  if (thread >= kWarpSize) return;
  result = merge_warp(thread < kWarps ? warp_results[thread] : empty_slice());
  if (thread == 0) slices[row_index * gridDim.y + blockIdx.y] = result;
}

// One row's slices together, in every lane of the warp.
__device__ SliceResult merge_slices(const SliceResult* slices, int num_slices) {
  SliceResult result = empty_slice();
  for (int i = static_cast<int>(threadIdx.x) % kWarpSize; i < num_slices; i += kWarpSize) {
    result = merge(result, slices[i]);
  }
  return merge_warp(result);
}

// slices: [num_rows, num_slices]; one block for each row.
__global__ __launch_bounds__(kFilterThreads, kRowsPerSM) void choose_token_kernel(
    SampledRing sampled, SamplingTables tables, const SliceResult* slices, int num_slices,
    const float* logits, int64_t stride, const int32_t* slots) {
  __shared__ FilterShared filter;
  // Read before the slices and the place in the ring are known, which are all that the kernel
  // before writes.
  const int64_t row_index = blockIdx.x;
  const int32_t slot = slots[row_index];
  const SlotParams& params = tables.params[slot];
  SlotState state = tables.states[slot];
  const bool is_filtered = sampling::is_filtered(params);
  wait_for_previous_kernel();
  // Only filters take a whole block.
  if (!is_filtered && threadIdx.x >= kWarpSize) return;
  // All have read the state before it is written.
  if (is_filtered) {
    __syncthreads();
  } else {
    __syncwarp();
  }
  const int32_t place = *sampled.last_place;
  const auto report = [&](int32_t token, float logprob) {
    sampled.token_ids(place)[row_index] = token;
    sampled.logprobs(place)[row_index] = logprob;
  };
  if (!chooses_token(params, state)) {
    if (threadIdx.x == 0) {
      report(kTokenNone, 0.0F);
      if (state.status == SlotStatus::kRunning) tables.states[slot].position = state.position + 1;
    }
    return;
  }

  // Every warp combines the slices for itself: a barrier and a broadcast would take as long.
  const SliceResult result = merge_slices(slices + row_index * num_slices, num_slices);
  const RowLogits row = adjusted_row(tables, logits + row_index * stride, slot, state);
  const bool has_token = result.best_id != kTokenNonFinite && result.best_id != kNoToken;
  int32_t token = result.best_id;
  if (has_token && is_filtered) {
    const ScaledRow scaled{.logits = row,
                           .temperature = params.temperature,
                           .top = sampling::apply_temperature(result.best, params.temperature)};
    token = draw_filtered(filter, scaled, state.num_generated);
  }
  if (threadIdx.x != 0) return;
  if (!has_token) {
    report(kTokenNonFinite, 0.0F);
    tables.states[slot].status = SlotStatus::kNonFinite;
    return;
  }
  report(token, row.logits[token] - result.raw_max - logf(result.raw_sum));
  sampling::accept_token(state, tables.token_counts + slot * tables.vocab_size, params, token);
  tables.states[slot] = state;
}

int64_t num_slices(int64_t vocab_size) {
  return ceil_div<int64_t>(vocab_size, kSliceSize);
}

}  // namespace

void sample(const SampledRing& sampled, const SamplingTables& tables, const float* logits,
            int64_t stride, const int32_t* slots, int num_rows, void* scratch,
            cudaStream_t stream) {
  if (num_rows == 0) return;
  auto* slices = static_cast<SliceResult*>(scratch);
  const auto slices_per_row = static_cast<unsigned>(num_slices(tables.vocab_size));
  const dim3 grid(static_cast<unsigned>(num_rows), slices_per_row);
  const auto scan = is_vectorisable<kGroup>(logits, stride) ? scan_slices_kernel<true>
                                                            : scan_slices_kernel<false>;
  launch_overlapped(scan, grid, kScanThreads, 0, stream, slices, sampled, tables, logits, stride,
                    slots);
  launch_overlapped(choose_token_kernel, num_rows, kFilterThreads, 0, stream, sampled, tables,
                    slices, static_cast<int>(slices_per_row), logits, stride, slots);
}

size_t sample_scratch_bytes(int num_rows, int64_t vocab_size) {
  return static_cast<size_t>(num_rows) * static_cast<size_t>(num_slices(vocab_size)) *
         sizeof(SliceResult);
}

}  // namespace eet::kernels
