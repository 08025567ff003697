#include <algorithm>

#include "kernels/l2_prefetch.h"

namespace eet::kernels {

L2Prefetch plan_prefetch(const void* weight, int64_t rows, int64_t row_bytes, int64_t num_tokens) {
  constexpr int64_t kMaxTokens = 256;
  constexpr int64_t kMaxBytes = 12 << 20;
  constexpr int64_t kLine = 128;
  if (weight == nullptr || rows == 0 || num_tokens > kMaxTokens || row_bytes % 16 != 0 ||
      reinterpret_cast<uintptr_t>(weight) % 16 != 0) {
    return {};
  }
  const int64_t width = std::min(row_bytes, kMaxBytes / rows / kLine * kLine);
  if (width == 0) return {};
  return {.data = weight,
          .stride = row_bytes,
          .rows = static_cast<int>(rows),
          .width = static_cast<int>(width)};
}

}  // namespace eet::kernels
