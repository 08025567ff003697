// What the norm kernels share.
#pragma once

#include "kernels/norm.h"

namespace eet::kernels {

// A norm as the kernels compute it: an absent weight is loaded as zeros, so that its factor is the
// offset alone, and kNone has neither weight nor bias.
template <typename W>
Norm<W> resolve(const Norm<W>& norm) {
  Norm<W> resolved = norm;
  if (norm.kind == NormKind::kNone) resolved.weight = resolved.bias = nullptr;
  if (resolved.weight == nullptr) resolved.weight_offset = 1.0F;
  return resolved;
}

}  // namespace eet::kernels
