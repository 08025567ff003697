// What this machine's matrix product reaches: the yardstick of the CPU operations.
#pragma once

#include <optional>

namespace eet {

// Floating point operations per second of OpenBLAS' sgemm on `num_threads` threads: the best over a
// few sizes and repeats. Nothing when built without OpenBLAS.
std::optional<double> measure_sgemm_rate(int num_threads);

}  // namespace eet
