// Rotary position embedding and attention over pages.
#include <algorithm>
#include <vector>

#include "lib/ops/cpu/for_rows.h"
#include "lib/ops/cpu/ops_cpu.h"
#include "lib/ops/cpu/simd.h"

namespace eet::ops::cpu {
namespace {

// Turns one head by the angles of a row of the table.
void rotate(float* head, const RopeTable& rope, int64_t row) {
  const int64_t half = rope.table.dim(1);
  const float* cos_sin = rope.table.as<float>() + row * half * 2;
  for (int64_t i = 0; i < half; ++i) {
    float& low = head[rope.interleaved ? 2 * i : i];
    float& high = head[rope.interleaved ? 2 * i + 1 : i + half];
    const float cosine = cos_sin[2 * i];
    const float sine = cos_sin[2 * i + 1];
    const float a = low;
    const float b = high;
    low = a * cosine - b * sine;
    high = b * cosine + a * sine;
  }
}

}  // namespace

void rope_append(const Context& ctx, TensorView qkv, const KvLayer& kv, const ForwardBatch& batch,
                 const AttentionShape& shape, const RopeTable& rope) {
  const int dim = shape.head_dim;
  const int64_t row_size = qkv.dim(1);
  const int32_t* rope_rows =
      batch.rope_positions != nullptr ? batch.rope_positions : batch.positions;
  for_rows(ctx, batch.num_tokens, row_size, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int32_t position = batch.positions[t];
      if (position < 0) continue;
      float* q = qkv.as<float>() + t * row_size;
      float* k = q + static_cast<int64_t>(shape.num_heads) * dim;
      float* v = k + static_cast<int64_t>(shape.num_kv_heads) * dim;
      if (rope.table) {
        for (int h = 0; h < shape.num_heads + shape.num_kv_heads; ++h) {
          rotate(q + static_cast<int64_t>(h) * dim, rope, rope_rows[t]);
        }
      }
      const int64_t page =
          batch.block_tables[static_cast<int64_t>(batch.token_slots[t]) * batch.block_table_stride +
                             position / kPageSize];
      for (int h = 0; h < shape.num_kv_heads; ++h) {
        const int64_t offset = kv_offset(page, h, position % kPageSize, shape.num_kv_heads, dim);
        std::copy_n(k + static_cast<int64_t>(h) * dim, dim, kv.keys.as<float>() + offset);
        std::copy_n(v + static_cast<int64_t>(h) * dim, dim, kv.values.as<float>() + offset);
      }
    }
  });
}

void qk_norm_rope_append(const Context& ctx, TensorView qkv, const KvLayer& kv,
                         const ForwardBatch& batch, const AttentionShape& shape,
                         const RopeTable& rope, const QkNorm& norm) {
  qk_norm(ctx, qkv, shape, norm);
  rope_append(ctx, qkv, kv, batch, shape, rope);
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
  const auto* sinks = shape.sinks.as<float>();
  const auto* slopes = shape.alibi_slopes.as<float>();
  for_rows(ctx, tasks, work, [&](int64_t begin, int64_t end) {
    std::vector<float> scores;
    std::vector<simd::PageView> pages;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t t = task / shape.num_kv_heads;
      const int kv_head = static_cast<int>(task % shape.num_kv_heads);
      float* row = out.as<float>() + (t * shape.num_heads + kv_head * group) * dim;
      const int64_t context = static_cast<int64_t>(batch.positions[t]) + 1;
      if (context <= 0) {
        std::fill_n(row, static_cast<int64_t>(group) * dim, 0.0F);
        continue;
      }
      const int64_t first_key = shape.window > 0 ? std::max<int64_t>(0, context - shape.window) : 0;
      const int64_t first_page = first_key / kPageSize;
      const int32_t* table = batch.block_tables +
                             static_cast<int64_t>(batch.token_slots[t]) * batch.block_table_stride;
      pages.clear();
      for (int64_t page = first_page; page * kPageSize < context; ++page) {
        const int64_t offset = kv_offset(table[page], kv_head, 0, shape.num_kv_heads, dim);
        pages.push_back({kv.keys.as<float>() + offset, kv.values.as<float>() + offset});
      }
      simd::KeyRange keys = {.pages = pages.data(),
                             .begin = first_key - first_page * kPageSize,
                             .end = context - first_page * kPageSize};
      if (static_cast<int64_t>(scores.size()) < keys.end) scores.resize(keys.end);
      const float* q =
          qkv.as<float>() + t * qkv.dim(1) + static_cast<int64_t>(kv_head) * group * dim;
      for (int g = 0; g < group; ++g) {
        const int head = kv_head * group + g;
        const simd::ScoreRules rules = {.scale = shape.scale,
                                        .softcap = shape.softcap,
                                        .slope = slopes == nullptr ? 0.0F : slopes[head],
                                        .sink = sinks == nullptr ? nullptr : sinks + head};
        simd.attend(row + static_cast<int64_t>(g) * dim, q + static_cast<int64_t>(g) * dim, keys,
                    dim, rules, scores.data());
      }
    }
  });
}

size_t attention_partials_bytes(const Context&, const AttentionShape&, int, int64_t) {
  return 0;
}

}  // namespace eet::ops::cpu
