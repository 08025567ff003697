// The norm of what a block gave, the residual addition and the norm after it, in one pass.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/norm.h"

namespace eet::kernels {

// add_norm() (kernels/norm.h) of post_norm(delta), which is not rounded in between: out[i] =
// norm(x), x = residual[t] + delta_scale * post_norm(delta[t]). delta is never null; the kernel
// before may write it, but not the residual.
template <typename T>
void post_norm_add_norm(T* out, float* residual, const T* delta, float delta_scale,
                        const Norm<T>& post_norm, const Norm<T>& norm, const int32_t* rows,
                        int num_rows, int hidden, cudaStream_t stream);

}  // namespace eet::kernels
