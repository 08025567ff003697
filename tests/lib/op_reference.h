// The operations that tests compare with, in plain double precision, and how they compare.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <numbers>
#include <vector>

#include "lib/ops/ops.h"

namespace eet::test {

inline TensorView view(std::vector<float>& values, std::initializer_list<int64_t> shape) {
  return {values.data(), DType::kF32, shape};
}

// Of all values together, in the 2-norm. NaN where their numbers differ.
inline double relative_error(const std::vector<float>& got, const std::vector<double>& want) {
  if (got.size() != want.size()) return std::numeric_limits<double>::quiet_NaN();
  double error = 0;
  double norm = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  return std::sqrt(error / norm);
}

struct NormReference {
  NormKind kind = NormKind::kRmsNorm;
  double eps = 1e-5;
  double weight_offset = 0;
  std::vector<float> weight = {};  // empty: the factor is 1
  std::vector<float> bias = {};    // empty: none
};

// The norm of x[0, n), whose first element has number `first` among those that weights repeat over.
inline std::vector<double> normalised(const float* x, int64_t n, const NormReference& norm,
                                      int64_t first = 0) {
  std::vector<double> y(x, x + n);
  if (norm.kind == NormKind::kNone) return y;
  double mean = 0;
  if (norm.kind == NormKind::kLayerNorm) {
    for (const double v : y) mean += v / static_cast<double>(n);
  }
  double variance = 0;
  for (const double v : y) variance += (v - mean) * (v - mean) / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    const auto at = [&](const std::vector<float>& v) {
      return double{v[(first + i) % static_cast<int64_t>(v.size())]};
    };
    y[i] = (y[i] - mean) / std::sqrt(variance + norm.eps);
    if (!norm.weight.empty()) y[i] *= norm.weight_offset + at(norm.weight);
    if (!norm.bias.empty()) y[i] += at(norm.bias);
  }
  return y;
}

inline double activated(Activation kind, double x) {
  switch (kind) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGeluTanh:
      return 0.5 * x *
             (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Activation::kGeluErf:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kRelu:
      return x > 0 ? x : 0;
    case Activation::kReluSquared:
      return x > 0 ? x * x : 0;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

// A head turned by one row of a rotary table, cos_sin: [rotary_dim / 2, 2].
inline std::vector<double> turned(const float* head, int head_dim, const float* cos_sin,
                                  int rotary_dim, bool interleaved) {
  std::vector<double> y(head, head + head_dim);
  for (int i = 0; i < rotary_dim / 2; ++i) {
    const int low = interleaved ? 2 * i : i;
    const int high = interleaved ? 2 * i + 1 : i + rotary_dim / 2;
    const double cosine = cos_sin[2 * i];
    const double sine = cos_sin[2 * i + 1];
    y[low] = head[low] * cosine - head[high] * sine;
    y[high] = head[high] * cosine + head[low] * sine;
  }
  return y;
}

// What a head does to its scores.
struct ScoreReference {
  double scale = 1;
  int64_t window = 0;
  double softcap = 0;
  double slope = 0;
  const float* sink = nullptr;
};

// Attention of the query at `position` over its row's keys; key(p) and value(p) give those of
// position p, of dim elements.
template <typename Query, typename Key, typename Value>
std::vector<double> attended(const Query* q, Key key, Value value, int64_t position, int dim,
                             const ScoreReference& rules) {
  const int64_t first = rules.window > 0 ? std::max<int64_t>(0, position - rules.window + 1) : 0;
  std::vector<double> scores;
  for (int64_t p = first; p <= position; ++p) {
    const auto* k = key(p);
    double score = 0;
    for (int d = 0; d < dim; ++d) score += static_cast<double>(q[d]) * k[d];
    score *= rules.scale;
    if (rules.softcap > 0) score = rules.softcap * std::tanh(score / rules.softcap);
    scores.push_back(score + rules.slope * static_cast<double>(p - position));
  }
  double highest = *std::max_element(scores.begin(), scores.end());
  if (rules.sink != nullptr) highest = std::max(highest, double{*rules.sink});
  double sum = rules.sink != nullptr ? std::exp(*rules.sink - highest) : 0;
  std::vector<double> average(dim, 0.0);
  for (int64_t p = first; p <= position; ++p) {
    const auto* v = value(p);
    const double weight = std::exp(scores[p - first] - highest);
    sum += weight;
    for (int d = 0; d < dim; ++d) average[d] += weight * v[d];
  }
  for (double& a : average) a /= sum;
  return average;
}

}  // namespace eet::test
