// CUDA attention against the CPU operation and against plain fp64, with NaN in every place that
// must not be read: cache slots outside a row, pads, the outputs and the scratch.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "lib/core/error.h"
#include "lib/ops/ops.h"
#include "tests/kernels/attention_parts.h"
#include "tests/kernels/device_test.h"

namespace eet::test {
namespace {

// A row of a pass. Rows of the same seed hold the same tokens, however long they are.
struct Row {
  int context_len;    // cached tokens, this pass included
  int query_len = 1;  // tokens of this pass, pads included
  int pad_count = 0;
  uint32_t seed = 0;
};

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int32_t kNoPage = 1 << 30;  // faults when it is followed

// One attention call: its inputs on the host, and what it should give.
class Pass {
 public:
  Pass(DType type, const AttentionShape& shape, bool decode, std::vector<Row> rows)
      : type_(type), shape_(shape), decode_(decode), rows_(std::move(rows)) {
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
      std::copy_n(next, num_pages(rows_[r]), table);
      next += num_pages(rows_[r]);
    }
  }

  static int num_pages(const Row& row) { return (row.context_len + kPageSize - 1) / kPageSize; }

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
      for (int p = 0; p < row.context_len; ++p) {
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
    const int dim = shape_.head_dim;
    const int kv_head = head / (shape_.num_heads / shape_.num_kv_heads);
    const float* q = &qkv_[token * qkv_width() + head * dim];
    std::vector<double> weights(position + 1);
    double maximum = -std::numeric_limits<double>::infinity();
    for (int p = 0; p <= position; ++p) {
      const float* k = &keys_[page_offset(row, p, kv_head)];
      double score = 0;
      for (int d = 0; d < dim; ++d) score += static_cast<double>(q[d]) * k[d];
      weights[p] = score * shape_.scale;
      maximum = std::max(maximum, weights[p]);
    }
    double sum = 0;
    std::vector<double> average(dim, 0.0);
    for (int p = 0; p <= position; ++p) {
      const float* v = &values_[page_offset(row, p, kv_head)];
      const double weight = std::exp(weights[p] - maximum);
      sum += weight;
      for (int d = 0; d < dim; ++d) average[d] += weight * v[d];
    }
    float* result = &out[token * out_width() + head * dim];
    for (int d = 0; d < dim; ++d) result[d] = static_cast<float>(average[d] / sum);
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
    ops::attention(ctx, out, qkv, {keys, values}, batch, shape_, scratch.view());
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
  std::vector<float> keys_, values_, qkv_;
};

// The worst error of any one head of any token, so that a wrong one does not hide among many.
double worst_head_error(const std::vector<float>& actual, const std::vector<float>& expected,
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

void check_pass(Devices& devices, DType type, const AttentionShape& shape, bool decode,
                const std::vector<Row>& rows) {
  CAPTURE(dtype_name(type));
  CAPTURE(decode);
  CAPTURE(shape.num_heads);
  CAPTURE(shape.num_kv_heads);
  CAPTURE(shape.head_dim);
  const Pass pass(type, shape, decode, rows);
  const std::vector<float> actual = pass.run_floats(devices.cuda);
  const std::vector<float> expected = pass.expect(devices.pool);
  CHECK(normalised_error(actual, expected) < tolerance(type));
  CHECK(normalised_error(actual, pass.run_floats(devices.cpu)) < tolerance(type));
  CHECK(worst_head_error(actual, expected, shape.head_dim) < 8 * tolerance(type));
}

const AttentionShape kShapes[] = {
    heads(25, 25, 64), heads(3, 1, 8),    heads(4, 4, 16),  heads(6, 3, 24),  heads(4, 1, 64),
    heads(3, 3, 72),   heads(3, 1, 80),   heads(6, 1, 96),  heads(7, 1, 112), heads(16, 2, 128),
    heads(16, 1, 128), heads(2, 2, 128),  heads(4, 2, 160), heads(9, 1, 136), heads(3, 1, 192),
    heads(8, 8, 256),  heads(12, 1, 256), heads(16, 1, 64), heads(2, 1, 200), heads(5, 1, 32),
};

TEST_CASE("CPU attention matches fp64, so that it can judge the kernels") {
  ThreadPool pool(available_cores());
  const Context cpu{.device = {}, .pool = &pool, .cuda = nullptr};
  for (const bool decode : {true, false}) {
    for (const AttentionShape& shape : {heads(3, 1, 8), heads(4, 2, 64), heads(3, 3, 80)}) {
      const int query_len = decode ? 1 : 60;
      const Pass pass(DType::kF32, shape, decode,
                      {{.context_len = 300, .query_len = query_len, .seed = 1},
                       {.context_len = decode ? 0 : 50,
                        .query_len = query_len,
                        .pad_count = decode ? 0 : 10,
                        .seed = 2}});
      CHECK(normalised_error(pass.run_floats(cpu), pass.expect(pool)) < tolerance(DType::kF32));
    }
  }
}

TEST_CASE("decode attention matches on ragged contexts around pages and splits") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<Row> rows = {{.context_len = 1, .seed = 1},
                                 {.context_len = 127, .seed = 2},
                                 {.context_len = 128, .seed = 3},
                                 {.context_len = 0, .seed = 4},
                                 {.context_len = 129, .seed = 5},
                                 {.context_len = kLongestUnsplit + 1, .seed = 6},
                                 {.context_len = 17, .seed = 7},
                                 {.context_len = 33, .seed = 8},
                                 {.context_len = 300, .seed = 9},
                                 {.context_len = kLongestUnsplit + 5 * kPageSize, .seed = 10}};
  for (const DType type : kComputeTypes) {
    for (const AttentionShape& shape : kShapes) check_pass(*devices, type, shape, true, rows);
  }
}

TEST_CASE("decode attention of short contexts only, which no row splits, matches") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    check_pass(*devices, type, heads(4, 2, 64), true,
               {{.context_len = 0}, {.context_len = kLongestUnsplit}});
    check_pass(*devices, type, heads(4, 2, 64), true, {{.context_len = 0}});
  }
}

// Scores that lie far apart: a few tokens have all the weight, and later ones exceed what came
// before by much more than sums are kept for.
TEST_CASE("decode attention matches where the scores lie far apart") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (AttentionShape shape : {heads(4, 1, 64), heads(16, 1, 128), heads(3, 1, 256)}) {
      shape.scale *= 30;
      check_pass(*devices, type, shape, true,
                 {{.context_len = 16, .seed = 1},
                  {.context_len = 700, .seed = 2},
                  {.context_len = kLongestUnsplit + 5 * kPageSize, .seed = 3}});
    }
  }
}

TEST_CASE("prefill attention matches on whole prompts, later chunks and pads") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<Row> rows = {
      {.context_len = 1, .query_len = 1, .seed = 1},
      {.context_len = 127, .query_len = 127, .seed = 2},
      {.context_len = 128, .query_len = 128, .seed = 3},
      {.context_len = 129, .query_len = 129, .seed = 4},
      {.context_len = 300, .query_len = 300, .seed = 5},
      {.context_len = 60, .query_len = 65, .pad_count = 5, .seed = 6},
      {.context_len = 20, .query_len = 300, .pad_count = 280, .seed = 7},
      {.context_len = 300, .query_len = 40, .seed = 8},
      {.context_len = 257, .query_len = 3, .pad_count = 1, .seed = 9},
      {.context_len = 640, .query_len = 129, .pad_count = 64, .seed = 10},
      {.context_len = 513, .query_len = 1, .seed = 11},
  };
  for (const DType type : kComputeTypes) {
    for (const AttentionShape& shape : kShapes) check_pass(*devices, type, shape, false, rows);
  }
}

TEST_CASE("attention matches at a long context") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    check_pass(*devices, type, heads(4, 2, 128), true,
               {{.context_len = 20000, .seed = 1},
                {.context_len = 8193, .seed = 2},
                {.context_len = 32768, .seed = 3},    // the last of 8 pages to a split
                {.context_len = 32769, .seed = 4}});  // the first of 9
    check_pass(*devices, type, heads(2, 1, 64), false,
               {{.context_len = 20000, .query_len = 130, .seed = 3}});
  }
}

TEST_CASE("attention matches in a batch of many rows") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  std::vector<Row> steps;
  std::vector<Row> prompts;
  for (int r = 0; r < 1023; ++r) {
    const int length = 1 + r * 37 % 150;
    steps.push_back({.context_len = length, .seed = static_cast<uint32_t>(r)});
    prompts.push_back({.context_len = length, .query_len = length, .seed = steps.back().seed});
  }
  for (const DType type : kComputeTypes) {
    check_pass(*devices, type, heads(2, 1, 64), true, steps);
    check_pass(*devices, type, heads(2, 1, 64), false, prompts);
  }
}

TEST_CASE("a row has the same bits alone, in any batch and in any order") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<Row> steps = {{.context_len = 700, .seed = 1},
                                  {.context_len = 3, .seed = 2},
                                  {.context_len = 9000, .seed = 3},
                                  {.context_len = 300, .seed = 4}};
  const std::vector<Row> prompts = {
      {.context_len = 300, .query_len = 300, .seed = 1},
      {.context_len = 3, .query_len = 3, .seed = 2},
      {.context_len = 200, .query_len = 217, .pad_count = 17, .seed = 3},
      {.context_len = 400, .query_len = 33, .seed = 4}};
  for (const DType type : kComputeTypes) {
    for (const bool decode : {true, false}) {
      for (const AttentionShape& shape : {heads(8, 2, 64), heads(3, 3, 80), heads(4, 1, 256)}) {
        CAPTURE(dtype_name(type));
        CAPTURE(decode);
        CAPTURE(shape.head_dim);
        const std::vector<Row>& rows = decode ? steps : prompts;
        const Pass together(type, shape, decode, rows);
        const std::vector<Row> backwards(rows.rbegin(), rows.rend());
        const Pass reversed(type, shape, decode, backwards);
        const std::vector<uint8_t> bytes = together.run(devices->cuda);
        const std::vector<uint8_t> reversed_bytes = reversed.run(devices->cuda);
        for (int r = 0; r < static_cast<int>(rows.size()); ++r) {
          const int mirrored = static_cast<int>(rows.size()) - 1 - r;
          const Pass alone(type, shape, decode, {rows[r]});
          const std::vector<uint8_t> expected = together.real_bytes(bytes, r);
          CHECK(alone.real_bytes(alone.run(devices->cuda), 0) == expected);
          CHECK(reversed.real_bytes(reversed_bytes, mirrored) == expected);
        }
      }
    }
  }
}

TEST_CASE("a prompt has the same bits in chunks as in one pass") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int kLength = 333;
  for (const DType type : kComputeTypes) {
    for (const AttentionShape& shape :
         {heads(4, 2, 64), heads(2, 1, 80), heads(2, 1, 128), heads(2, 1, 160), heads(2, 1, 256)}) {
      CAPTURE(dtype_name(type));
      CAPTURE(shape.head_dim);
      const Pass whole(type, shape, false,
                       {{.context_len = kLength, .query_len = kLength, .seed = 1}});
      std::vector<uint8_t> chunked;
      for (const auto& [begin, end] :
           {std::pair(0, 100), std::pair(100, 101), std::pair(101, 333)}) {
        const Pass chunk(type, shape, false,
                         {{.context_len = end, .query_len = end - begin, .seed = 1}});
        const std::vector<uint8_t> bytes = chunk.run(devices->cuda);
        chunked.insert(chunked.end(), bytes.begin(), bytes.end());
      }
      CHECK(chunked == whole.run(devices->cuda));
    }
  }
}

TEST_CASE("attention gives the same bits 20 times") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const bool decode : {true, false}) {
      const int query_len = decode ? 1 : 200;
      const Pass pass(type, heads(8, 2, 128), decode,
                      {{.context_len = 2000, .query_len = query_len, .seed = 1},
                       {.context_len = 400, .query_len = query_len, .seed = 2}});
      const std::vector<uint8_t> first = pass.run(devices->cuda);
      for (int repeat = 1; repeat < 20; ++repeat) CHECK(pass.run(devices->cuda) == first);
    }
  }
}

TEST_CASE("rows of a batch too large for the GPU at once have the bits they have alone") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const auto check_rows = [&](const AttentionShape& shape, int num_rows) {
    CAPTURE(shape.head_dim);
    std::vector<Row> rows;
    for (int r = 0; r < num_rows; ++r) {
      const int length = 1 + r * 37 % 2000;
      rows.push_back({.context_len = r % 9 == 4 ? 0 : length, .seed = static_cast<uint32_t>(r)});
    }
    check_pass(*devices, DType::kBF16, shape, true, rows);
    const Pass pass(DType::kBF16, shape, true, rows);
    const std::vector<uint8_t> together = pass.run(devices->cuda);
    CHECK(pass.run(devices->cuda) == together);
    for (int r = 0; r < num_rows; r += 13) {
      CAPTURE(r);
      const Pass alone(DType::kBF16, shape, true, {rows[r]});
      CHECK(alone.real_bytes(alone.run(devices->cuda), 0) == pass.real_bytes(together, r));
    }
  };
  check_rows(heads(25, 25, 16), 90);
  check_rows(heads(16, 8, 80), 120);
  check_rows(heads(8, 8, 136), 90);
  check_rows(heads(16, 4, 128), 120);
}

TEST_CASE("attention refuses heads that it has no kernel for") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const auto run = [&](const AttentionShape& shape) {
    Pass(DType::kBF16, shape, true, {{.context_len = 5}}).run(devices->cuda);
  };
  CHECK_THROWS_AS(run(heads(1, 1, 12)), Error);
  CHECK_THROWS_AS(run(heads(1, 1, 264)), Error);
  CHECK_THROWS_AS(run(heads(17, 1, 64)), Error);
}

}  // namespace
}  // namespace eet::test
