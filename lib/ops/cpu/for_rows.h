// How the CPU operations share rows among threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "lib/core/context.h"

namespace eet::ops::cpu {

// Calls body(begin, end) over chunks of [0, count) rows of `row_size` elements.
template <typename Body>
void for_rows(const Context& ctx, int64_t count, int64_t row_size, Body body) {
  // Elements a task should touch at least, so that handing it to a thread pays.
  constexpr int64_t kGrain = 16 * 1024;
  const int64_t rows = std::clamp<int64_t>(kGrain / std::max<int64_t>(row_size, 1), 1, count + 1);
  ctx.pool->parallel_for((count + rows - 1) / rows, [&](int64_t chunk) {
    body(chunk * rows, std::min(count, (chunk + 1) * rows));
  });
}

}  // namespace eet::ops::cpu
