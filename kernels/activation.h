// The MLP's activation functions.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace eet::kernels {

// kGeluTanh and kGeluErf are the two forms of Hendrycks and Gimpel 2016; kSilu is x * sigmoid(x);
// kReluSquared is max(x, 0)² (So et al. 2021).
enum class ActivationFunction { kSilu, kGeluTanh, kGeluErf, kRelu, kReluSquared };

// out = f(x), element by element. out, x: [num_rows, width]; may be the same memory.
template <typename T>
void activation(T* out, const T* x, int num_rows, int64_t width, ActivationFunction function,
                cudaStream_t stream);

// out = f(x[:, :width]) * x[:, width:] (Shazeer 2020). out: [num_rows, width];
// x: [num_rows, 2 * width], other memory than out.
template <typename T>
void gated_activation(T* out, const T* x, int num_rows, int64_t width, ActivationFunction function,
                      cudaStream_t stream);

}  // namespace eet::kernels
