// One attention call of a test, with NaN in every place that must not be read: cache slots outside
// a row, pages behind windows, pads, the outputs and the scratch.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "lib/ops/ops.h"
#include "tests/kernels/attention_parts.h"
#include "tests/kernels/device_test.h"
#include "tests/lib/op_reference.h"

namespace eet::test {

// A row of a pass. Rows of the same seed hold the same tokens, however long they are.
struct Row {
  int context_len;    // cached tokens, this pass included
  int query_len = 1;  // tokens of this pass, pads included
  int pad_count = 0;
  uint32_t seed = 0;
};

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr int32_t kNoPage = 1 << 30;  // faults when it is followed

// What a layer does to its scores, beside what AttentionShape says.
struct PerHead {
  bool has_sinks = false;
  bool has_alibi = false;
};

// One attention call: its inputs on the host, and what it should give.
class Pass {
 public:
  Pass(DType type, const AttentionShape& shape, bool decode, std::vector<Row> rows,
       const PerHead& per_head = {})
      : type_(type), shape_(shape), decode_(decode), rows_(std::move(rows)) {
    if (per_head.has_sinks) sinks_ = random_values(shape.num_heads, 99, 2.0F);
    for (int h = 0; per_head.has_alibi && h < shape.num_heads; ++h) {
      slopes_.push_back(h % 5 == 4 ? 0.0F : std::exp2(-static_cast<float>(h % 8 + 1)));
    }
    lay_out_rows();
    fill_pages_and_queries();
  }

  // The outputs' bytes on `ctx`, where elements are of `type` (fp32 on the CPU).
  std::vector<uint8_t> run(const Context& ctx) const { return run_on(ctx).read_bytes(); }
  std::vector<float> run_floats(const Context& ctx) const { return run_on(ctx).read(); }

  // In fp64; zeros for pads and ended rows.
  std::vector<float> expect(ThreadPool& pool) const {
    std::vector<float> out(static_cast<size_t>(num_tokens_) * out_width(), 0.0F);
    pool.parallel_for(num_tokens_, [&](int64_t token) {
      for (int head = 0; head < shape_.num_heads; ++head) attend(out, token, head);
    });
    return out;
  }

  // Bytes of a row's real outputs within all outputs' bytes.
  std::vector<uint8_t> real_bytes(const std::vector<uint8_t>& bytes, int row) const {
    const size_t token_bytes = static_cast<size_t>(out_width()) * dtype_size(type_);
    const auto begin = bytes.begin() + (cu_seqlens_[row] + rows_[row].pad_count) * token_bytes;
    return {begin, bytes.begin() + cu_seqlens_[row + 1] * token_bytes};
  }

  int64_t out_width() const { return int64_t{shape_.num_heads} * shape_.head_dim; }

 private:
  int64_t kv_width() const { return int64_t{shape_.num_kv_heads} * shape_.head_dim; }
  int64_t qkv_width() const { return out_width() + 2 * kv_width(); }

  void lay_out_rows() {
    cu_seqlens_ = {0};
    const int num_rows = static_cast<int>(rows_.size());
    int num_used_pages = 0;
    for (int r = 0; r < num_rows; ++r) {
      const Row& row = rows_[r];
      cu_seqlens_.push_back(cu_seqlens_.back() + row.query_len);
      pad_counts_.push_back(row.pad_count);
      context_lens_.push_back(row.context_len);
      row_slots_.push_back(num_rows - r);  // slot 0 is nobody's
      for (int i = 0; i < row.query_len; ++i) {
        const int position = row.context_len - row.query_len + i;
        positions_.push_back(i < row.pad_count ? -1 : position);
        token_slots_.push_back(row_slots_.back());
      }
      max_query_len_ = std::max(max_query_len_, row.query_len);
      max_context_len_ = std::max(max_context_len_, row.context_len);
      num_used_pages += num_pages(row);
    }
    num_tokens_ = cu_seqlens_.back();
    block_table_stride_ = (max_context_len_ + kPageSize - 1) / kPageSize + 2;
    block_tables_.assign(static_cast<size_t>(num_rows + 1) * block_table_stride_, kNoPage);
    num_pages_ = num_used_pages + 2;
    std::vector<int32_t> order(num_pages_);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(7));
    auto next = order.begin();
    for (int r = 0; r < num_rows; ++r) {
      const auto table = block_tables_.begin() + int64_t{row_slots_[r]} * block_table_stride_;
      const int behind = first_page(rows_[r]);
      std::copy_n(next, num_pages(rows_[r]) - behind, table + behind);
      next += num_pages(rows_[r]);
    }
  }

  static int num_pages(const Row& row) { return (row.context_len + kPageSize - 1) / kPageSize; }

  // The first page that a query of the pass sees. Those behind it are given back: their keys and
  // values are NaN, and the block table has no page for them.
  int first_page(const Row& row) const {
    const int first_query = row.context_len - row.query_len + row.pad_count;
    return shape_.window > 0 ? std::max(0, first_query - shape_.window + 1) / kPageSize : 0;
  }

  int64_t page_offset(int row, int position, int kv_head) const {
    const int32_t page =
        block_tables_[int64_t{row_slots_[row]} * block_table_stride_ + position / kPageSize];
    return kv_offset(page, kv_head, position % kPageSize, shape_.num_kv_heads, shape_.head_dim);
  }

  void fill_pages_and_queries() {
    keys_.assign(num_pages_ * kPageSize * kv_width(), kNan);
    values_ = keys_;
    qkv_.assign(num_tokens_ * qkv_width(), kNan);
    for (int r = 0; r < static_cast<int>(rows_.size()); ++r) {
      const Row& row = rows_[r];
      if (row.context_len == 0) continue;
      const auto draw = [&](int64_t width, uint32_t stream) {
        return rounded(random_values(row.context_len * width, 3 * row.seed + stream), type_);
      };
      const std::vector<float> keys = draw(kv_width(), 0);
      const std::vector<float> values = draw(kv_width(), 1);
      const std::vector<float> queries = draw(out_width(), 2);
      for (int p = first_page(row) * kPageSize; p < row.context_len; ++p) {
        for (int h = 0; h < shape_.num_kv_heads; ++h) {
          const int64_t from = p * kv_width() + h * shape_.head_dim;
          const int64_t to = page_offset(r, p, h);
          std::copy_n(keys.begin() + from, shape_.head_dim, keys_.begin() + to);
          std::copy_n(values.begin() + from, shape_.head_dim, values_.begin() + to);
        }
      }
      for (int token = cu_seqlens_[r]; token < cu_seqlens_[r + 1]; ++token) {
        if (positions_[token] < 0) continue;
        std::copy_n(queries.begin() + positions_[token] * out_width(), out_width(),
                    qkv_.begin() + token * qkv_width());
      }
    }
  }

  int row_of(int64_t token) const {
    const auto next = std::upper_bound(cu_seqlens_.begin(), cu_seqlens_.end(), token);
    return static_cast<int>(next - cu_seqlens_.begin()) - 1;
  }

  void attend(std::vector<float>& out, int64_t token, int head) const {
    const int position = positions_[token];
    if (position < 0) return;
    const int row = row_of(token);
    const int kv_head = head / (shape_.num_heads / shape_.num_kv_heads);
    const auto at = [&](const std::vector<float>& pages) {
      return [this, &pages, row, kv_head](int64_t p) {
        return &pages[page_offset(row, static_cast<int>(p), kv_head)];
      };
    };
    const ScoreReference rules = {.scale = shape_.scale,
                                  .window = shape_.window,
                                  .softcap = shape_.softcap,
                                  .slope = slopes_.empty() ? 0 : slopes_[head],
                                  .sink = sinks_.empty() ? nullptr : &sinks_[head]};
    const std::vector<double> average =
        attended(&qkv_[token * qkv_width() + int64_t{head} * shape_.head_dim], at(keys_),
                 at(values_), position, shape_.head_dim, rules);
    std::copy(average.begin(), average.end(),
              out.begin() + token * out_width() + int64_t{head} * shape_.head_dim);
  }

  Tensor run_on(const Context& ctx) const {
    const DType type = ctx.on_cuda() ? type_ : DType::kF32;
    const int num_rows = static_cast<int>(rows_.size());
    const Tensor positions = int_tensor(ctx, positions_);
    const Tensor token_slots = int_tensor(ctx, token_slots_);
    const Tensor row_slots = int_tensor(ctx, row_slots_);
    const Tensor cu_seqlens = int_tensor(ctx, cu_seqlens_);
    const Tensor pad_counts = int_tensor(ctx, pad_counts_);
    const Tensor context_lens = int_tensor(ctx, context_lens_);
    const Tensor block_tables = int_tensor(ctx, block_tables_);
    const Tensor qkv(ctx, type, {num_tokens_, qkv_width()}, qkv_);
    const auto pages = [&](const std::vector<float>& elements) {
      return Tensor(ctx, type, {num_pages_, shape_.num_kv_heads, kPageSize, shape_.head_dim},
                    elements);
    };
    const Tensor keys = pages(keys_);
    const Tensor values = pages(values_);
    Tensor out(ctx, type, {num_tokens_, out_width()});
    AttentionShape shape = shape_;
    Tensor sinks(ctx, DType::kF32, {shape_.num_heads});
    Tensor slopes(ctx, DType::kF32, {shape_.num_heads});
    if (!sinks_.empty()) {
      sinks.write(sinks_);
      shape.sinks = sinks;
    }
    if (!slopes_.empty()) {
      slopes.write(slopes_);
      shape.alibi_slopes = slopes;
    }
    const Scratch scratch(ctx, shape_, num_rows, max_context_len_);

    ForwardBatch batch;
    batch.decode = decode_;
    batch.num_tokens = num_tokens_;
    batch.num_rows = num_rows;
    batch.max_query_len = max_query_len_;
    batch.max_context_len = max_context_len_;
    batch.positions = positions.as<int32_t>();
    batch.token_slots = token_slots.as<int32_t>();
    batch.row_slots = row_slots.as<int32_t>();
    batch.cu_seqlens = decode_ ? nullptr : cu_seqlens.as<int32_t>();
    batch.pad_counts = decode_ ? nullptr : pad_counts.as<int32_t>();
    batch.context_lens = context_lens.as<int32_t>();
    batch.block_tables = block_tables.as<int32_t>();
    batch.block_table_stride = block_table_stride_;
    ops::attention(ctx, out, qkv, {keys, values}, batch, shape, scratch.view());
    scratch.check();
    return out;
  }

  DType type_;
  AttentionShape shape_;
  bool decode_;
  std::vector<Row> rows_;
  int num_tokens_ = 0;
  int64_t num_pages_ = 0;
  int max_query_len_ = 0;
  int max_context_len_ = 0;
  int block_table_stride_ = 0;
  std::vector<int32_t> cu_seqlens_, pad_counts_, context_lens_, row_slots_, positions_,
      token_slots_, block_tables_;
  std::vector<float> keys_, values_, qkv_, sinks_, slopes_;
};

// The worst error of any one head of any token, so that a wrong one does not hide among many.
inline double worst_head_error(const std::vector<float>& actual, const std::vector<float>& expected,
                               int head_dim) {
  double worst = 0;
  for (size_t i = 0; i < actual.size(); i += head_dim) {
    const auto head = [&](const std::vector<float>& all) {
      return std::vector<float>(all.begin() + i, all.begin() + i + head_dim);
    };
    worst = std::max(worst, normalised_error(head(actual), head(expected)));
  }
  return worst;
}

inline void check_pass(Devices& devices, DType type, const AttentionShape& shape, bool decode,
                       const std::vector<Row>& rows, const PerHead& per_head = {}) {
  CAPTURE(dtype_name(type));
  CAPTURE(decode);
  CAPTURE(shape.num_heads);
  CAPTURE(shape.num_kv_heads);
  CAPTURE(shape.head_dim);
  CAPTURE(shape.window);
  CAPTURE(shape.softcap);
  CAPTURE(per_head.has_sinks);
  CAPTURE(per_head.has_alibi);
  const Pass pass(type, shape, decode, rows, per_head);
  const std::vector<float> actual = pass.run_floats(devices.cuda);
  const std::vector<float> expected = pass.expect(devices.pool);
  CHECK(normalised_error(actual, expected) < tolerance(type));
  CHECK(normalised_error(actual, pass.run_floats(devices.cpu)) < tolerance(type));
  CHECK(worst_head_error(actual, expected, shape.head_dim) < 8 * tolerance(type));
}

}  // namespace eet::test
