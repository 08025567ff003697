// Which experts rows choose: one warp a row.
#include "kernels/expert_routing.h"
#include "kernels/launch.cuh"
#include "kernels/precondition.h"
#include "kernels/reduce.cuh"

namespace eet::kernels {
namespace {

constexpr int kRowsPerBlock = 4;
constexpr int kThreads = kRowsPerBlock * kWarpSize;
constexpr int kPerLane = kMaxExperts / kWarpSize;  // lane l has experts l, l + 32, ...
constexpr unsigned kAllLanes = 0xFFFFFFFFU;

// Keys of scores, in their order: NaN is above all, and zeros of both signs are one. No score's key
// is 0.
__device__ __forceinline__ uint32_t key_of(float score) {
  if (score != score) return 0xFFFFFFFFU;
  const uint32_t bits = __float_as_uint(score + 0.0F);
  return bits >> 31 == 1 ? ~bits : bits | 0x80000000U;
}

// The largest of a lane's scores that count, and of the warp's.
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, offset));
  }
  return x;
}

__device__ __forceinline__ float sigmoid(float x) {
  return 1.0F / (1.0F + expf(-x));
}

// The scores of a row, of which those past num_experts mean nothing.
__device__ void score_experts(float (&scores)[kPerLane], const float* logits,
                              const RouterRules& rules, int lane) {
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int expert = i * kWarpSize + lane;
    scores[i] = expert < rules.num_experts ? logits[expert] : 0.0F;
  }
  if (rules.scores == RouterScores::kTopKSoftmax) return;
  if (rules.scores == RouterScores::kSigmoid) {
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) scores[i] = sigmoid(scores[i]);
    return;
  }
  float highest = -INFINITY;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    if (i * kWarpSize + lane < rules.num_experts) highest = fmaxf(highest, scores[i]);
  }
  highest = warp_max(highest);
  float sum = 0.0F;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    scores[i] = expf(scores[i] - highest);
    if (i * kWarpSize + lane < rules.num_experts) sum += scores[i];
  }
  sum = warp_sum(sum);
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) scores[i] /= sum;
}

// The expert of each slot, in the lane of the slot's number. Scores are ranked by their keys; where
// two that matter are equal, one lane does as torch.topk does.
__device__ int choose(const uint32_t (&initial_keys)[kPerLane], ScoredExpert* scored,
                      const RouterRules& rules, int lane) {
  uint32_t keys[kPerLane];
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) keys[i] = initial_keys[i];
  int chosen = 0;
  uint32_t previous = 0;
  bool has_ties = false;
  // One more than is chosen: the last one may be equal to the best one left.
  for (int slot = 0; slot <= rules.top_k && slot < rules.num_experts; ++slot) {
    uint32_t best = 0;
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) best = max(best, keys[i]);
    best = __reduce_max_sync(kAllLanes, best);
    has_ties |= slot > 0 && best == previous;
    previous = best;
    int expert = kMaxExperts;
#pragma unroll
    for (int i = kPerLane - 1; i >= 0; --i) {
      if (keys[i] == best) expert = i * kWarpSize + lane;
    }
    expert = __reduce_min_sync(kAllLanes, expert);
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      if (i * kWarpSize + lane == expert) keys[i] = 0;
    }
    if (slot == lane) chosen = expert;
  }
  if (!has_ties) return chosen;
  if (lane == 0) select_top_k(scored, rules.num_experts, rules.top_k);
  __syncwarp();
  return lane < rules.top_k ? scored[lane].expert : 0;
}

__global__ void __launch_bounds__(kThreads)
    choose_experts_kernel(const ExpertGroups groups, const float* logits, int64_t logits_stride,
                          const float* selection_bias, const int32_t* positions,
                          const RouterRules rules) {
  __shared__ ScoredExpert scored_rows[kRowsPerBlock][kMaxExperts];
  __shared__ float score_rows[kRowsPerBlock][kMaxExperts];
  wait_for_previous_kernel();
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int row = static_cast<int>(blockIdx.x) * kRowsPerBlock + warp;
  if (row >= groups.num_rows) return;
  const int64_t pair = static_cast<int64_t>(row) * rules.top_k + lane;
  if (positions[row] < 0) {
    if (lane < rules.top_k) {
      groups.experts[pair] = -1;
      groups.weights[pair] = 0.0F;
    }
    return;
  }

  float scores[kPerLane];
  score_experts(scores, logits + row * logits_stride, rules, lane);
  uint32_t keys[kPerLane];
  ScoredExpert* scored = scored_rows[warp];
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const int expert = i * kWarpSize + lane;
    keys[i] = 0;
    if (expert >= rules.num_experts) continue;
    const float score = scores[i] + (selection_bias == nullptr ? 0.0F : selection_bias[expert]);
    keys[i] = key_of(score);
    scored[expert] = {score, expert};
    score_rows[warp][expert] = scores[i];
  }
  __syncwarp();
  const int expert = choose(keys, scored, rules, lane);

  // The sums over slots are in their order, in every lane.
  const bool has_slot = lane < rules.top_k;
  float weight = has_slot ? score_rows[warp][expert] : 0.0F;
  if (rules.scores == RouterScores::kTopKSoftmax) {
    const float highest = warp_max(has_slot ? weight : -INFINITY);
    weight = expf(weight - highest);
    float sum = 0.0F;
    for (int slot = 0; slot < rules.top_k; ++slot) sum += __shfl_sync(kAllLanes, weight, slot);
    weight /= sum;
  }
  if (rules.normalise) {
    float sum = kMinWeightSum;
    for (int slot = 0; slot < rules.top_k; ++slot) sum += __shfl_sync(kAllLanes, weight, slot);
    weight /= sum;
  }
  if (has_slot) {
    groups.experts[pair] = expert;
    groups.weights[pair] = weight * rules.scale;
  }
}

}  // namespace

void choose_experts(const ExpertGroups& groups, const float* logits, int64_t logits_stride,
                    const float* selection_bias, const int32_t* positions, const RouterRules& rules,
                    cudaStream_t stream) {
  check_precondition(rules.top_k > 0 && rules.top_k <= kMaxTopK &&
                         rules.top_k <= rules.num_experts && rules.num_experts <= kMaxExperts,
                     "choose_experts: ", rules.top_k, " of ", rules.num_experts, " experts");
  if (groups.num_rows == 0) return;
  launch_overlapped(choose_experts_kernel, ceil_div(groups.num_rows, kRowsPerBlock), kThreads, 0,
                    stream, groups, logits, logits_stride, selection_bias, positions, rules);
}

}  // namespace eet::kernels
