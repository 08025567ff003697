// Norms of whole rows.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/norm.h"

namespace eet::kernels {

// out[i] = norm(x[i]), sums in fp32. out, x: [num_rows, width], may be the same memory; width is at
// most kMaxNormHidden. A row's bits do not depend on num_rows.
template <typename X, typename W>
void norm_rows(X* out, const X* x, int num_rows, int width, const Norm<W>& norm,
               cudaStream_t stream);

}  // namespace eet::kernels
