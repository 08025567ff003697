// The activation functions on the device.
#pragma once

#include "kernels/activation.h"

namespace eet::kernels {

template <ActivationFunction kFunction>
__device__ __forceinline__ float activate(float x) {
  if constexpr (kFunction == ActivationFunction::kSilu) {
    return x / (1.0F + expf(-x));
  } else if constexpr (kFunction == ActivationFunction::kGeluTanh) {
    // x/2 * (1 + tanh(u)) = x * sigmoid(2u), which loses no digits where tanh(u) nears -1.
    const float u = 0.7978845608F * (x + 0.044715F * x * x * x);
    return x / (1.0F + expf(-2.0F * u));
  } else {
    return 0.5F * x * (1.0F + erff(x * 0.7071067812F));
  }
}

}  // namespace eet::kernels
