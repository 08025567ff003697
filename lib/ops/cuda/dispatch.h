// From a run-time DType to the type a kernel is instantiated for.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/activation.h"
#include "kernels/rope.h"
#include "lib/core/dtype.h"
#include "lib/core/error.h"
#include "lib/ops/ops.h"

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
      return kernels::ActivationFunction::kRelu;
    case Activation::kReluSquared:
      return kernels::ActivationFunction::kReluSquared;
  }
  throw Error("internal error: unknown activation");
}

inline kernels::Rope to_kernel(const RopeTable& rope, const ForwardBatch& batch) {
  return {.table = rope.table.as<float>(),
          .rotary_dim = rope.table ? static_cast<int>(2 * rope.table.dim(1)) : 0,
          .interleaved = rope.interleaved,
          .rows = batch.rope_positions};
}

}  // namespace eet::ops::cuda
