#include "lib/ops/cpu/ops_cpu.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "lib/ops/cpu/for_rows.h"
#include "lib/ops/cpu/gemm.h"
#include "lib/ops/cpu/simd.h"

namespace eet::ops::cpu {
void embed(const Context& ctx, TensorView residual, const int32_t* token_ids,
           const int32_t* positions, TensorView token_table, TensorView position_table,
           float scale) {
  const int64_t hidden = residual.dim(1);
  const auto row_of = [hidden](const TensorView& table, int64_t row) {
    return static_cast<const std::byte*>(table.data) +
           row * hidden * static_cast<int64_t>(dtype_size(table.dtype));
  };
  for_rows(ctx, residual.dim(0), hidden, [&](int64_t begin, int64_t end) {
    std::vector<float> position_row(position_table ? hidden : 0);
    for (int64_t t = begin; t < end; ++t) {
      float* out = residual.as<float>() + t * hidden;
      if (positions[t] < 0) {
        std::fill_n(out, hidden, 0.0F);
        continue;
      }
      convert_elements(out, DType::kF32, row_of(token_table, token_ids[t]), token_table.dtype,
                       hidden);
      if (scale != 1) {
        for (int64_t i = 0; i < hidden; ++i) out[i] *= scale;
      }
      if (!position_table) continue;
      convert_elements(position_row.data(), DType::kF32, row_of(position_table, positions[t]),
                       position_table.dtype, hidden);
      for (int64_t i = 0; i < hidden; ++i) out[i] += position_row[i];
    }
  });
}

void linear(const Context& ctx, TensorView out, TensorView x, const LinearWeight& weight,
            TensorView bias) {
  multiply_panels(*ctx.pool, out.as<float>(), out.dim(1), x.as<float>(), x.dim(0), weight,
                  bias.as<float>());
}

void activation(const Context& ctx, TensorView out, TensorView x, Activation kind, bool gated) {
  const int64_t n = out.dim(1);
  const int64_t x_stride = x.dim(1);
  const simd::Kernels& simd = simd::kernels();
  for_rows(ctx, out.dim(0), n, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* y = out.as<float>() + t * n;
      const float* a = x.as<float>() + t * x_stride;
      const float* up = gated ? a + n : nullptr;
      if (kind == Activation::kSilu && gated) {
        simd.silu_gate(y, a, up, n);
        continue;
      }
      switch (kind) {
        case Activation::kSilu:
          for (int64_t i = 0; i < n; ++i) y[i] = a[i] / (1.0F + std::exp(-a[i]));
          break;
        case Activation::kGeluTanh:
          simd.gelu_tanh(y, a, n);
          break;
        case Activation::kGeluErf:
          for (int64_t i = 0; i < n; ++i) {
            y[i] = 0.5F * a[i] * (1.0F + std::erf(a[i] * 0.70710678F));
          }
          break;
        case Activation::kRelu:
          for (int64_t i = 0; i < n; ++i) y[i] = a[i] < 0 ? 0.0F : a[i];  // NaN stays
          break;
        case Activation::kReluSquared:
          for (int64_t i = 0; i < n; ++i) y[i] = a[i] < 0 ? 0.0F : a[i] * a[i];
          break;
      }
      if (gated) {
        for (int64_t i = 0; i < n; ++i) y[i] *= up[i];
      }
    }
  });
}

void scale_logits(const Context& ctx, TensorView logits, TensorView bias, float scale,
                  float softcap) {
  const int64_t num_biases = bias ? bias.numel() : 0;
  for_rows(ctx, logits.numel(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float& logit = logits.as<float>()[i];
      const int64_t column = i % logits.dim(1);
      if (column < num_biases) logit += bias.as<float>()[column];
      logit *= scale;
      if (softcap > 0) logit = softcap * std::tanh(logit / softcap);
    }
  });
}

}  // namespace eet::ops::cpu
