// Functions that run on both sides: marks for the CUDA compiler, nothing for the others.
#pragma once

#include <concepts>

#if defined(__CUDACC__)
#define EET_HOST_DEVICE __host__ __device__
#else
#define EET_HOST_DEVICE
#endif

namespace eet {

// a / b, rounded up; for a >= 0 and b > 0.
template <std::integral Int>
EET_HOST_DEVICE constexpr Int ceil_div(Int a, Int b) {
  return (a + b - 1) / b;
}

}  // namespace eet
