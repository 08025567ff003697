// Norms for tests: random weights, as the device and the reference have them.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "lib/ops/ops.h"
#include "tests/kernels/device_test.h"
#include "tests/lib/op_reference.h"

namespace eet::test {

// A norm whose weights are the same numbers on both sides.
struct NormCase {
  NormReference reference;
  Tensor weight;
  Tensor bias;

  Norm view() const {
    return {.kind = reference.kind,
            .eps = static_cast<float>(reference.eps),
            .weight_offset = static_cast<float>(reference.weight_offset),
            .weight = reference.weight.empty() ? TensorView() : weight.view(),
            .bias = reference.bias.empty() ? TensorView() : bias.view()};
  }
};

struct NormTraits {
  NormKind kind;
  float weight_offset = 0;
  bool has_weight = true;
  bool has_bias = false;
};

inline NormCase make_norm(const Context& ctx, DType type, const NormTraits& traits,
                          int64_t num_weights, uint32_t seed) {
  const auto draw = [&](bool wanted, uint32_t stream) {
    return wanted ? rounded(random_values(num_weights, 2 * seed + stream, 0.5F), type)
                  : std::vector<float>();
  };
  NormReference reference = {.kind = traits.kind,
                             .weight_offset = traits.weight_offset,
                             .weight = draw(traits.has_weight, 0),
                             .bias = draw(traits.has_bias, 1)};
  const auto upload = [&](const std::vector<float>& values) {
    return values.empty() ? Tensor(ctx, type, {1}) : Tensor(ctx, type, {num_weights}, values);
  };
  Tensor weight = upload(reference.weight);
  Tensor bias = upload(reference.bias);
  return {std::move(reference), std::move(weight), std::move(bias)};
}

inline void append(std::vector<float>& to, const std::vector<double>& values) {
  for (const double v : values) to.push_back(static_cast<float>(v));
}

}  // namespace eet::test
