// How many forward passes are under way at once.
#pragma once

#include <cstddef>

namespace eet {

// On a GPU one pass runs while the host looks at the one before. On the CPU there is nobody to run
// it meanwhile, and a row found finished would have been computed once too often.
inline constexpr size_t kPassesUnderWayOnGpu = 2;
inline constexpr size_t kPassesUnderWayOnCpu = 1;

// Places of the rings that passes rotate through (staging memory, results, events): the passes
// under way, the one collected last, whose results are still read, and the one being prepared.
inline constexpr size_t kPassPlaces = kPassesUnderWayOnGpu + 2;

}  // namespace eet
