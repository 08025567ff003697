// The activation functions on the device.
#pragma once

#include <type_traits>

#include "kernels/activation.h"

namespace eet::kernels {

// x * sigmoid(v). For 16-bit types by short forms, which err by less than 1e-5 of the result.
template <typename T>
__device__ __forceinline__ float times_sigmoid(float x, float v) {
  if constexpr (std::is_same_v<T, float>) {
    return x / (1.0F + expf(-v));
  } else {
    return __fdividef(x, 1.0F + __expf(-v));
  }
}

// Of an x that is a T.
template <ActivationFunction kFunction, typename T>
__device__ __forceinline__ float activate(float x) {
  if constexpr (kFunction == ActivationFunction::kSilu) {
    return times_sigmoid<T>(x, x);
  } else if constexpr (kFunction == ActivationFunction::kGeluTanh) {
    // x/2 * (1 + tanh(u)) = x * sigmoid(2u), which loses no digits where tanh(u) nears -1.
    const float u = 0.7978845608F * (x + 0.044715F * x * x * x);
    return times_sigmoid<T>(x, 2.0F * u);
  } else if constexpr (kFunction == ActivationFunction::kRelu) {
    return x < 0.0F ? 0.0F : x;  // NaN stays
  } else if constexpr (kFunction == ActivationFunction::kReluSquared) {
    return x < 0.0F ? 0.0F : x * x;
  } else {
    static_assert(kFunction == ActivationFunction::kGeluErf);
    return 0.5F * x * (1.0F + erff(x * 0.7071067812F));
  }
}

}  // namespace eet::kernels
