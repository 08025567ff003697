#include "lib/ops/cpu/gemm.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "lib/ops/cpu/simd.h"

namespace eet::ops::cpu {

using simd::kPanel;

int64_t panel_elements(int64_t out_features, int64_t in_features) {
  return (out_features + kPanel - 1) / kPanel * kPanel * in_features;
}

void pack_panels(ThreadPool& pool, float* panels, const void* matrix, DType type,
                 int64_t out_features, int64_t in_features) {
  const auto* bytes = static_cast<const std::byte*>(matrix);
  const int64_t row_bytes = in_features * static_cast<int64_t>(dtype_size(type));
  pool.parallel_for((out_features + kPanel - 1) / kPanel, [&](int64_t p) {
    float* panel = panels + p * kPanel * in_features;
    std::vector<float> row(in_features);
    for (int64_t n = 0; n < kPanel; ++n) {
      const int64_t feature = p * kPanel + n;
      if (feature < out_features) {
        convert_elements(row.data(), DType::kF32, bytes + feature * row_bytes, type, in_features);
      } else {
        std::fill(row.begin(), row.end(), 0.0F);
      }
      for (int64_t k = 0; k < in_features; ++k) panel[k * kPanel + n] = row[k];
    }
  });
}

void multiply_panels(ThreadPool& pool, float* out, int64_t out_stride, const float* x, int64_t rows,
                     const LinearWeight& weight, const float* bias) {
  // A task is a few panels by up to kTaskRows rows: its part of x stays in the cache from panel to
  // panel, and small products are not cut into tasks that cost more than they compute.
  constexpr int64_t kTaskRows = 240;
  constexpr int64_t kTaskMultiplies = 256 * 1024;
  const int64_t in = weight.in_features;
  const int64_t panels = (weight.out_features + kPanel - 1) / kPanel;
  const int64_t row_tasks = (rows + kTaskRows - 1) / kTaskRows;
  const int64_t panel_multiplies = std::min(rows, kTaskRows) * in * kPanel;
  const int64_t group =
      std::clamp<int64_t>(kTaskMultiplies / std::max<int64_t>(panel_multiplies, 1), 1, panels);
  const int64_t panel_tasks = (panels + group - 1) / group;
  const auto* data = weight.data.as<float>();
  const simd::Kernels& simd = simd::kernels();
  pool.parallel_for(panel_tasks * row_tasks, [&](int64_t task) {
    const int64_t first_row = task / panel_tasks * kTaskRows;
    const int task_rows = static_cast<int>(std::min(kTaskRows, rows - first_row));
    const int64_t first_panel = task % panel_tasks * group;
    for (int64_t p = first_panel; p < std::min(panels, first_panel + group); ++p) {
      const int columns =
          static_cast<int>(std::min<int64_t>(kPanel, weight.out_features - p * kPanel));
      simd.gemm_panel(out + first_row * out_stride + p * kPanel, out_stride, x + first_row * in, in,
                      data + p * kPanel * in, bias == nullptr ? nullptr : bias + p * kPanel,
                      task_rows, columns, in);
    }
  });
}

}  // namespace eet::ops::cpu
