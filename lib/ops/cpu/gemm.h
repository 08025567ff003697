// The CPU matrix product over weight panels.
#pragma once

#include <cstdint>

#include "lib/core/thread_pool.h"
#include "lib/ops/ops.h"

namespace eet::ops::cpu {

// Elements of the panel form of an [out, in] matrix.
int64_t panel_elements(int64_t out_features, int64_t in_features);

// Rearranges a row-major [out, in] matrix of `type` into fp32 panels [ceil(out/32)][in][32], the
// last one filled up with zeros.
void pack_panels(ThreadPool& pool, float* panels, const void* matrix, DType type,
                 int64_t out_features, int64_t in_features);

// out[m][n] = x[m] · weight[n] + bias[n] for m < rows; out has rows of `out_stride`, x is dense.
// bias may be null. A row's bits do not depend on `rows`, its index or the number of threads.
void multiply_panels(ThreadPool& pool, float* out, int64_t out_stride, const float* x, int64_t rows,
                     const LinearWeight& weight, const float* bias);

}  // namespace eet::ops::cpu
