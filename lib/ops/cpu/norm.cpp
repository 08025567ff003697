#include <algorithm>
#include <cmath>
#include <vector>

#include "lib/ops/cpu/for_rows.h"
#include "lib/ops/cpu/ops_cpu.h"
#include "lib/ops/cpu/simd.h"

namespace eet::ops::cpu {
namespace {

// y = norm(x) of n elements, the first of which has weight `first`; y may be x.
void normalise(float* y, const float* x, int64_t n, const Norm& norm, int64_t first = 0) {
  if (norm.kind == NormKind::kNone) {
    std::copy_n(x, n, y);
    return;
  }
  const simd::Kernels& simd = simd::kernels();
  const auto size = static_cast<float>(n);
  const float mean = norm.kind == NormKind::kLayerNorm ? simd.sum(x, n) / size : 0.0F;
  const float variance = simd.sum_squared_distance(x, mean, n) / size;
  const float inverse = 1.0F / std::sqrt(variance + norm.eps);
  for (int64_t j = 0; j < n; ++j) y[j] = (x[j] - mean) * inverse;
  // The run of a vector that belongs to elements [first, first + n), or its repetitions.
  const auto for_each_run = [n, first](const TensorView& vector, auto apply) {
    if (!vector) return;
    const int64_t period = vector.numel();
    for (int64_t j = 0; j < n;) {
      const int64_t begin = (first + j) % period;
      const int64_t count = std::min(n - j, period - begin);
      apply(j, vector.as<float>() + begin, count);
      j += count;
    }
  };
  for_each_run(norm.weight, [&](int64_t j, const float* weight, int64_t count) {
    for (int64_t i = 0; i < count; ++i) y[j + i] *= norm.weight_offset + weight[i];
  });
  for_each_run(norm.bias, [&](int64_t j, const float* bias, int64_t count) {
    for (int64_t i = 0; i < count; ++i) y[j + i] += bias[i];
  });
}

}  // namespace

void add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
              const Norm& norm, float delta_scale, const int32_t* rows) {
  const int64_t hidden = residual.dim(1);
  for_rows(ctx, out.dim(0), hidden, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t t = rows == nullptr ? i : rows[i];
      float* y = out.as<float>() + i * hidden;
      float* x = residual.as<float>() + t * hidden;
      if (delta) {
        const float* d = delta.as<float>() + t * hidden;
        float* sum = rows == nullptr ? x : y;
        for (int64_t j = 0; j < hidden; ++j) sum[j] = x[j] + delta_scale * d[j];
        x = sum;
      }
      normalise(y, x, hidden, norm);
    }
  });
}

void post_norm_add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
                        const Norm& post_norm, const Norm& norm, float delta_scale,
                        const int32_t* rows) {
  const int64_t hidden = residual.dim(1);
  for_rows(ctx, out.dim(0), hidden, [&](int64_t begin, int64_t end) {
    std::vector<float> sum(hidden);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t t = rows == nullptr ? i : rows[i];
      float* x = residual.as<float>() + t * hidden;
      normalise(sum.data(), delta.as<float>() + t * hidden, hidden, post_norm);
      for (int64_t j = 0; j < hidden; ++j) sum[j] = x[j] + delta_scale * sum[j];
      if (rows == nullptr) std::copy_n(sum.data(), hidden, x);
      normalise(out.as<float>() + i * hidden, sum.data(), hidden, norm);
    }
  });
}

void norm(const Context& ctx, TensorView out, TensorView x, const Norm& norm) {
  const int64_t width = x.dim(1);
  for_rows(ctx, x.dim(0), width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      normalise(out.as<float>() + i * width, x.as<float>() + i * width, width, norm);
    }
  });
}

void add_to_residual(const Context& ctx, TensorView residual, TensorView delta, float scale) {
  const int64_t hidden = residual.dim(1);
  for_rows(ctx, residual.dim(0), hidden, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * hidden; i < end * hidden; ++i) {
      residual.as<float>()[i] += scale * delta.as<float>()[i];
    }
  });
}

void qk_norm(const Context& ctx, TensorView qkv, const AttentionShape& shape, const QkNorm& norm) {
  const int64_t row_size = qkv.dim(1);
  const int64_t q_size = static_cast<int64_t>(shape.num_heads) * shape.head_dim;
  const int64_t k_size = static_cast<int64_t>(shape.num_kv_heads) * shape.head_dim;
  const auto normalise_groups = [](float* all, int64_t size, int64_t width, const Norm& each) {
    for (int64_t first = 0; first < size; first += width) {
      normalise(all + first, all + first, width, each, first);
    }
  };
  for_rows(ctx, qkv.dim(0), row_size, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* q = qkv.as<float>() + t * row_size;
      normalise_groups(q, q_size, norm.q_width, norm.q);
      normalise_groups(q + q_size, k_size, norm.k_width, norm.k);
    }
  });
}

}  // namespace eet::ops::cpu
