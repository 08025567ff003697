// What a device reaches at best, measured: the yardstick of `eet bench`.
#pragma once

#include <cstdint>

#include "lib/core/context.h"
#include "lib/core/dtype.h"

namespace eet {

struct Ceilings {
  double read_bytes_per_second = 0;  // adding up a buffer far larger than the caches
  double copy_bytes_per_second = 0;  // bytes read and bytes written, within the device's memory
  double flops_per_second = 0;       // a square matrix product, two operations a multiply-add
  int64_t product_size = 0;          // rows and columns of that product
  int64_t cache_bytes = 0;           // of the last cache before the memory; 0: not known

  // The faster of the two: a stream of loads alone may not be what a memory does best.
  double bytes_per_second() const {
    return read_bytes_per_second > copy_bytes_per_second ? read_bytes_per_second
                                                         : copy_bytes_per_second;
  }
};

// Measures for about a second, with random data, the products in `dtype` and by the operation that
// the decoder runs (fp32 on the CPU). Each number is the median of several rounds. Takes 2 GiB of
// device memory meanwhile, 512 MiB on the CPU.
Ceilings measure_ceilings(const Context& ctx, DType dtype);

// The sum of `count` fp32 elements (a multiple of 4) in the device's memory, by the loop that
// read_bytes_per_second is measured with.
double sum_elements(const Context& ctx, const float* elements, int64_t count);

}  // namespace eet
