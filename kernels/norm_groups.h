// Norms of groups of a row's elements: of whole rows, of heads, of projections.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/norm.h"

namespace eet::kernels {

// Neighbouring groups of each row, each normalised alone. Element j of all of them together has
// weight j % num_weights and bias j % num_biases.
template <typename W>
struct NormGroups {
  int first;  // element of the row at which the first group begins
  int count;  // groups; 0: none
  int width;  // elements of a group, at most kMaxNormHidden
  Norm<W> norm;
  int num_weights;
  int num_biases;
};

// Normalises the groups of each row; other elements of out are left alone. out, x: [num_rows,
// row_size], may be the same memory. Sums in fp32, in an order fixed by the widths: a group's bits
// do not depend on num_rows.
template <typename X, typename W>
void norm_groups(X* out, const X* x, int num_rows, int64_t row_size, const NormGroups<W>& some,
                 const NormGroups<W>& others, cudaStream_t stream);

}  // namespace eet::kernels
