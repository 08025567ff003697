#include <algorithm>
#include <array>
#include <cmath>

#include "lib/ops/cpu/experts_cpu.h"
#include "lib/ops/cpu/for_rows.h"
#include "lib/ops/cpu/gemm.h"
#include "lib/ops/cpu/ops_cpu.h"

namespace eet::ops::cpu {
namespace {

using Scores = std::array<float, kMaxExperts>;

float sigmoid(float x) {
  return 1.0F / (1.0F + std::exp(-x));
}

// See ExpertActivation::swiglu_limit. NaN stays.
float clamped_swiglu(float gate, float up, float limit) {
  gate = std::min(gate, limit);
  return gate * sigmoid(1.702F * gate) * (std::clamp(up, -limit, limit) + 1.0F);
}

// y = softmax(x) of n elements; may be the same memory.
void softmax(float* y, const float* x, int n) {
  const float highest = *std::max_element(x, x + n);
  float sum = 0;
  for (int i = 0; i < n; ++i) {
    y[i] = std::exp(x[i] - highest);
    sum += y[i];
  }
  for (int i = 0; i < n; ++i) y[i] /= sum;
}

void choose_experts(int32_t* experts, float* weights, const float* logits,
                    const float* selection_bias, const RouterRules& rules) {
  Scores scores;
  switch (rules.scores) {
    case RouterScores::kSoftmax:
      softmax(scores.data(), logits, rules.num_experts);
      break;
    case RouterScores::kTopKSoftmax:
      std::copy_n(logits, rules.num_experts, scores.begin());
      break;
    case RouterScores::kSigmoid:
      std::transform(logits, logits + rules.num_experts, scores.begin(), sigmoid);
      break;
  }
  std::array<ScoredExpert, kMaxExperts> scored;
  for (int e = 0; e < rules.num_experts; ++e) {
    scored[e] = {scores[e] + (selection_bias == nullptr ? 0.0F : selection_bias[e]), e};
  }
  select_top_k(scored.data(), rules.num_experts, rules.top_k);
  for (int slot = 0; slot < rules.top_k; ++slot) {
    experts[slot] = scored[slot].expert;
    weights[slot] = scores[scored[slot].expert];
  }
  if (rules.scores == RouterScores::kTopKSoftmax) softmax(weights, weights, rules.top_k);
  float divisor = 1;
  if (rules.normalise) {
    divisor = kMinWeightSum;
    for (int slot = 0; slot < rules.top_k; ++slot) divisor += weights[slot];
  }
  for (int slot = 0; slot < rules.top_k; ++slot)
    weights[slot] = weights[slot] / divisor * rules.scale;
}

// Sorts the pairs by expert.
void group_pairs(const ExpertGroups& groups) {
  const int64_t num_pairs = groups.num_pairs();
  std::fill_n(groups.offsets, groups.num_experts + 1, 0);
  for (int64_t p = 0; p < num_pairs; ++p) {
    if (groups.experts[p] >= 0) ++groups.offsets[groups.experts[p] + 1];
  }
  for (int e = 0; e < groups.num_experts; ++e) groups.offsets[e + 1] += groups.offsets[e];
  std::array<int32_t, kMaxExperts> next;
  std::copy_n(groups.offsets, groups.num_experts, next.begin());
  for (int64_t p = 0; p < num_pairs; ++p) {
    if (groups.experts[p] >= 0) groups.pairs[next[groups.experts[p]]++] = static_cast<int32_t>(p);
  }
}

int64_t chosen_pairs(const ExpertGroups& groups) {
  return groups.offsets[groups.num_experts];
}

// out[i] = weight[e] · x[i] + bias[e] for the i-th pair of the sorted order and its expert e.
void multiply_groups(const Context& ctx, float* out, const float* x, const ExpertGroups& groups,
                     const ExpertWeight& weight, const TensorView& bias) {
  const int64_t panels = panel_elements(weight.out_features, weight.in_features);
  for (int64_t e = 0; e < groups.num_experts; ++e) {
    const int64_t begin = groups.offsets[e];
    const int64_t count = groups.offsets[e + 1] - begin;
    if (count == 0) continue;
    const LinearWeight matrix{.data = {weight.data.as<float>() + e * panels, DType::kF32, {panels}},
                              .in_features = weight.in_features,
                              .out_features = weight.out_features,
                              .padded_out = weight.out_features};
    multiply_panels(*ctx.pool, out + begin * weight.out_features, weight.out_features,
                    x + begin * weight.in_features, count, matrix,
                    bias ? bias.as<float>() + e * weight.out_features : nullptr);
  }
}

// Calls body(i, pair) for the chosen pairs in the sorted order, whose rows have `row_size`
// elements.
template <typename Body>
void for_pairs(const Context& ctx, const ExpertGroups& groups, int64_t row_size, Body body) {
  for_rows(ctx, chosen_pairs(groups), row_size, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i, int64_t{groups.pairs[i]});
  });
}

// x: [rows, 2 * width].
void clamped_swiglu(const Context& ctx, TensorView out, const float* x, float limit) {
  const int64_t width = out.dim(1);
  for_rows(ctx, out.dim(0), width, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* gates = x + row * 2 * width;
      for (int64_t i = 0; i < width; ++i) {
        out.as<float>()[row * width + i] = clamped_swiglu(gates[i], gates[width + i], limit);
      }
    }
  });
}

}  // namespace

void route(const Context& ctx, const ExpertGroups& groups, TensorView logits,
           TensorView selection_bias, const int32_t* positions, const RouterRules& rules) {
  for_rows(ctx, groups.num_rows, groups.num_experts, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int32_t* experts = groups.experts + row * groups.top_k;
      float* weights = groups.weights + row * groups.top_k;
      if (positions[row] < 0) {
        std::fill_n(experts, groups.top_k, -1);
        std::fill_n(weights, groups.top_k, 0.0F);
        continue;
      }
      choose_experts(experts, weights, logits.as<float>() + row * logits.dim(1),
                     selection_bias.as<float>(), rules);
    }
  });
  group_pairs(groups);
}

void experts_up(const Context& ctx, TensorView activated, TensorView x, const ExpertGroups& groups,
                const ExpertWeight& up, TensorView bias, const ExpertActivation& activation,
                const ExpertScratch& scratch) {
  const int64_t count = chosen_pairs(groups);
  const int64_t in = up.in_features;
  auto* gathered = scratch.gathered.as<float>();
  for_pairs(ctx, groups, in, [&](int64_t i, int64_t pair) {
    std::copy_n(x.as<float>() + pair / groups.top_k * in, in, gathered + i * in);
  });
  multiply_groups(ctx, scratch.product.as<float>(), gathered, groups, up, bias);
  const TensorView out = activated.first(count);
  const TensorView product = scratch.product.first(count);
  if (activation.swiglu_limit > 0) {
    return clamped_swiglu(ctx, out, product.as<float>(), activation.swiglu_limit);
  }
  cpu::activation(ctx, out, product, activation.kind, activation.gated);
}

void experts_down(const Context& ctx, TensorView out, TensorView activated,
                  const ExpertGroups& groups, const ExpertWeight& down, TensorView bias,
                  const ExpertScratch& scratch) {
  const int64_t width = down.out_features;
  auto* product = scratch.product.as<float>();
  multiply_groups(ctx, product, activated.as<float>(), groups, down, bias);
  for_pairs(ctx, groups, width, [&](int64_t i, int64_t pair) {
    std::copy_n(product + i * width, width, out.as<float>() + pair * width);
  });
}

void combine_experts(const Context& ctx, TensorView out, TensorView expert_out,
                     const ExpertGroups& groups, const SharedExpert& shared) {
  const int64_t width = out.dim(1);
  for_rows(ctx, groups.num_rows, width * groups.top_k, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* sum = out.as<float>() + row * width;
      std::fill_n(sum, width, 0.0F);
      for (int64_t pair = row * groups.top_k; pair < (row + 1) * groups.top_k; ++pair) {
        if (groups.experts[pair] < 0) continue;
        const float* part = expert_out.as<float>() + pair * width;
        for (int64_t i = 0; i < width; ++i) sum[i] += groups.weights[pair] * part[i];
      }
      if (!shared.out) continue;
      const float factor =
          shared.gate ? sigmoid(shared.gate.as<float>()[row * shared.gate.dim(1)]) : 1.0F;
      const float* part = shared.out.as<float>() + row * width;
      for (int64_t i = 0; i < width; ++i) sum[i] += factor * part[i];
    }
  });
}

}  // namespace eet::ops::cpu
