// From a run-time DType to the type a kernel is instantiated for.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/activation.h"
#include "lib/core/dtype.h"
#include "lib/core/error.h"
#include "lib/model/model_config.h"

namespace eet::ops::cuda {

// Returns fn.operator()<T>() with T the device type of `type`:
//   dispatch(x.dtype, [&]<typename T>() { kernels::activation<T>(x.as<T>(), ...); });
template <typename Fn>
decltype(auto) dispatch(DType type, Fn&& fn) {
  switch (type) {
    case DType::kF32:
      return fn.template operator()<float>();
    case DType::kF16:
      return fn.template operator()<__half>();
    case DType::kBF16:
      return fn.template operator()<__nv_bfloat16>();
    case DType::kI32:
      break;
  }
  throw Error(concat("expected fp32, fp16 or bf16, got ", dtype_name(type)));
}

inline kernels::ActivationFunction to_kernel(Activation kind) {
  switch (kind) {
    case Activation::kSilu:
      return kernels::ActivationFunction::kSilu;
    case Activation::kGeluTanh:
      return kernels::ActivationFunction::kGeluTanh;
    case Activation::kGeluErf:
      return kernels::ActivationFunction::kGeluErf;
    case Activation::kRelu:
    case Activation::kReluSquared:
      throw Error("ReLU has no CUDA kernel; use --device cpu");
  }
  throw Error("internal error: unknown activation");
}

}  // namespace eet::ops::cuda
