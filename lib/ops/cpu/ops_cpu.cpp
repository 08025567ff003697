#include "lib/ops/cpu/ops_cpu.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "lib/ops/cpu/gemm.h"
#include "lib/ops/cpu/simd.h"

namespace eet::ops::cpu {
namespace {

// Elements a task should touch at least, so that handing it to a thread pays.
constexpr int64_t kGrain = 16 * 1024;

// Calls body(begin, end) over chunks of [0, count) rows of `row_size` elements.
template <typename Body>
void for_rows(const Context& ctx, int64_t count, int64_t row_size, Body body) {
  const int64_t rows = std::clamp<int64_t>(kGrain / std::max<int64_t>(row_size, 1), 1, count + 1);
  ctx.pool->parallel_for((count + rows - 1) / rows, [&](int64_t chunk) {
    body(chunk * rows, std::min(count, (chunk + 1) * rows));
  });
}

}  // namespace

void embed(const Context& ctx, TensorView residual, const int32_t* token_ids,
           const int32_t* positions, TensorView token_table, TensorView position_table) {
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
      if (!position_table) continue;
      convert_elements(position_row.data(), DType::kF32, row_of(position_table, positions[t]),
                       position_table.dtype, hidden);
      for (int64_t i = 0; i < hidden; ++i) out[i] += position_row[i];
    }
  });
}

void add_norm(const Context& ctx, TensorView out, TensorView residual, TensorView delta,
              TensorView weight, TensorView bias, NormKind kind, float eps, const int32_t* rows) {
  const int64_t hidden = residual.dim(1);
  const simd::Kernels& simd = simd::kernels();
  for_rows(ctx, out.dim(0), hidden, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t t = rows == nullptr ? i : rows[i];
      float* y = out.as<float>() + i * hidden;
      float* x = residual.as<float>() + t * hidden;
      if (delta) {
        const float* d = delta.as<float>() + t * hidden;
        float* sum = rows == nullptr ? x : y;
        for (int64_t j = 0; j < hidden; ++j) sum[j] = x[j] + d[j];
        x = sum;
      }
      const float n = static_cast<float>(hidden);
      const float mean = kind == NormKind::kLayerNorm ? simd.sum(x, hidden) / n : 0.0F;
      const float variance = simd.sum_squared_distance(x, mean, hidden) / n;
      const float inverse = 1.0F / std::sqrt(variance + eps);
      const auto* w = weight.as<float>();
      const auto* b = bias.as<float>();
      if (b == nullptr) {
        for (int64_t j = 0; j < hidden; ++j) y[j] = (x[j] - mean) * inverse * w[j];
      } else {
        for (int64_t j = 0; j < hidden; ++j) y[j] = (x[j] - mean) * inverse * w[j] + b[j];
      }
    }
  });
}

void linear(const Context& ctx, TensorView out, TensorView x, const LinearWeight& weight,
            TensorView bias) {
  multiply_panels(*ctx.pool, out.as<float>(), out.dim(1), x.as<float>(), x.dim(0), weight,
                  bias.as<float>());
}

void rope_append(const Context& ctx, TensorView qkv, const KvLayer& kv, const ForwardBatch& batch,
                 const AttentionShape& shape, TensorView rope_table) {
  const int dim = shape.head_dim;
  const int half = dim / 2;
  const int64_t row_size = qkv.dim(1);
  const auto rotate = [&](float* head, int32_t position) {
    const float* table = rope_table.as<float>() + static_cast<int64_t>(position) * dim;
    for (int i = 0; i < half; ++i) {
      const float cosine = table[2 * i];
      const float sine = table[2 * i + 1];
      const float a = head[i];
      const float b = head[i + half];
      head[i] = a * cosine - b * sine;
      head[i + half] = b * cosine + a * sine;
    }
  };
  for_rows(ctx, batch.num_tokens, row_size, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int32_t position = batch.positions[t];
      if (position < 0) continue;
      float* q = qkv.as<float>() + t * row_size;
      float* k = q + static_cast<int64_t>(shape.num_heads) * dim;
      float* v = k + static_cast<int64_t>(shape.num_kv_heads) * dim;
      if (rope_table) {
        for (int h = 0; h < shape.num_heads + shape.num_kv_heads; ++h)
          rotate(q + h * dim, position);
      }
      const int64_t page =
          batch.block_tables[static_cast<int64_t>(batch.token_slots[t]) * batch.block_table_stride +
                             position / kPageSize];
      for (int h = 0; h < shape.num_kv_heads; ++h) {
        const int64_t offset = kv_offset(page, h, position % kPageSize, shape.num_kv_heads, dim);
        std::copy_n(k + h * dim, dim, kv.keys.as<float>() + offset);
        std::copy_n(v + h * dim, dim, kv.values.as<float>() + offset);
      }
    }
  });
}

void attention(const Context& ctx, TensorView out, TensorView qkv, const KvLayer& kv,
               const ForwardBatch& batch, const AttentionShape& shape,
               const AttentionScratch& /*scratch*/) {
  const int dim = shape.head_dim;
  const int group = shape.num_heads / shape.num_kv_heads;
  const simd::Kernels& simd = simd::kernels();
  const int64_t tasks = static_cast<int64_t>(batch.num_tokens) * shape.num_kv_heads;
  const int64_t work =
      std::max<int64_t>(1, static_cast<int64_t>(batch.max_context_len) * dim * group);
  for_rows(ctx, tasks, work, [&](int64_t begin, int64_t end) {
    std::vector<float> scores;
    std::vector<simd::PageView> pages;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t t = task / shape.num_kv_heads;
      const int kv_head = static_cast<int>(task % shape.num_kv_heads);
      float* row = out.as<float>() + (t * shape.num_heads + kv_head * group) * dim;
      const int64_t num_keys = static_cast<int64_t>(batch.positions[t]) + 1;
      if (num_keys <= 0) {
        std::fill_n(row, group * dim, 0.0F);
        continue;
      }
      const int32_t* table = batch.block_tables +
                             static_cast<int64_t>(batch.token_slots[t]) * batch.block_table_stride;
      pages.clear();
      for (int64_t first = 0; first < num_keys; first += kPageSize) {
        const int64_t offset =
            kv_offset(table[first / kPageSize], kv_head, 0, shape.num_kv_heads, dim);
        pages.push_back({kv.keys.as<float>() + offset, kv.values.as<float>() + offset});
      }
      if (static_cast<int64_t>(scores.size()) < num_keys) scores.resize(num_keys);
      const float* q =
          qkv.as<float>() + t * qkv.dim(1) + static_cast<int64_t>(kv_head) * group * dim;
      for (int g = 0; g < group; ++g) {
        simd.attend(row + g * dim, q + g * dim, pages.data(), num_keys, dim, shape.scale,
                    scores.data());
      }
    }
  });
}

size_t attention_partials_bytes(const Context&, const AttentionShape&, int, int64_t) {
  return 0;
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
      }
      if (gated) {
        for (int64_t i = 0; i < n; ++i) y[i] *= up[i];
      }
    }
  });
}

}  // namespace eet::ops::cpu
