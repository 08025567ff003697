// Decode attention that reads pages which rows share once, against the rows reading for themselves:
// the same bits.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <random>
#include <vector>

#include "lib/ops/ops.h"
#include "tests/kernels/attention_parts.h"
#include "tests/kernels/device_test.h"

namespace eet::test {
namespace {

// Rows that begin with the same `pages`; 0: they share nothing.
struct Group {
  int pages;
  std::vector<int32_t> context_lens;  // 0: the row has ended
};

// A decode step of all groups' rows, in an order of their own.
class Step {
 public:
  Step(DType type, const AttentionShape& shape, bool turns, const std::vector<Group>& groups)
      : type_(type), shape_(shape), turns_(turns) {
    for (const Group& group : groups) {
      for (const int32_t length : group.context_lens) {
        context_lens_.push_back(length);
        prefix_pages_.push_back(group.pages);
      }
    }
    std::vector<int32_t> order(context_lens_.size());  // by row, its place among the groups'
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(3));
    lay_out(groups, order);
    context_lens_ = permuted(context_lens_, order);
    prefix_pages_ = permuted(prefix_pages_, order);
  }

  // Outputs and pages.
  std::vector<uint8_t> run(const Context& ctx, bool reads_once) const {
    const auto num_rows = static_cast<int64_t>(context_lens_.size());
    const auto random = [&](std::initializer_list<int64_t> sizes, uint32_t seed, DType as) {
      int64_t count = 1;
      for (const int64_t size : sizes) count *= size;
      return Tensor(ctx, as, sizes, random_values(count, seed, seed == 1 ? 2.5F : 1.0F));
    };
    const int64_t heads = shape_.num_heads + 2 * int64_t{shape_.num_kv_heads};
    const Tensor qkv = random({num_rows, heads * shape_.head_dim}, 1, type_);
    const Tensor keys =
        random({num_pages_, shape_.num_kv_heads, kPageSize, shape_.head_dim}, 2, type_);
    const Tensor values =
        random({num_pages_, shape_.num_kv_heads, kPageSize, shape_.head_dim}, 3, type_);
    const Tensor table =
        random({int64_t{stride_} * kPageSize, shape_.head_dim / 2, 2}, 4, DType::kF32);
    const Tensor out(ctx, type_, {num_rows, int64_t{shape_.num_heads} * shape_.head_dim});
    const Tensor slots = int_tensor(ctx, slots_);
    const Tensor lengths = int_tensor(ctx, context_lens_);
    const Tensor tables = int_tensor(ctx, tables_);
    const Tensor pages = int_tensor(ctx, prefix_pages_);
    const Tensor rows = int_tensor(ctx, group_rows_);
    const Tensor starts = int_tensor(ctx, starts_);
    std::vector<int32_t> newest = context_lens_;
    for (int32_t& position : newest) --position;
    const Tensor positions = int_tensor(ctx, newest);
    ForwardBatch batch;
    batch.decode = true;
    batch.num_rows = batch.num_tokens = static_cast<int>(num_rows);
    batch.max_query_len = 1;
    batch.max_context_len = *std::max_element(context_lens_.begin(), context_lens_.end());
    batch.positions = positions.as<int32_t>();
    batch.token_slots = batch.row_slots = slots.as<int32_t>();
    batch.context_lens = lengths.as<int32_t>();
    batch.block_tables = tables.as<int32_t>();
    batch.block_table_stride = stride_;
    const Scratch scratch(ctx, shape_, batch.num_rows, batch.max_context_len);
    AttentionScratch view = scratch.view();
    const Tensor states(ctx, DType::kF32, {states_bytes(ctx) / 4});
    if (reads_once) {
      view.prefix_states = states.as<float>();
      batch.prefixes = {.pages = pages.as<int32_t>(),
                        .rows = rows.as<int32_t>(),
                        .starts = starts.as<int32_t>(),
                        .num_groups = static_cast<int>(starts_.size()) - 1,
                        .least_pages = least_pages()};
    }
    ops::append_attention(ctx, out, qkv, {keys, values}, batch, shape_,
                          {turns_ ? table.view() : TensorView(), false}, {}, view);
    scratch.check();
    std::vector<uint8_t> all = out.read_bytes();
    for (const Tensor* written : {&keys, &values, &states}) {
      const std::vector<uint8_t> more = written->read_bytes();  // checks what lies around
      if (written != &states) all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }

  int64_t states_bytes(const Context& ctx) const {
    return static_cast<int64_t>(
        ops::prefix_states_bytes(ctx, type_, shape_, static_cast<int>(context_lens_.size())));
  }

 private:
  // Of rows that have not ended.
  int32_t least_pages() const {
    int32_t least = kMaxPrefixContext / kPageSize;
    for (size_t row = 0; row < context_lens_.size(); ++row) {
      if (context_lens_[row] > 0) least = std::min(least, prefix_pages_[row]);
    }
    return least;
  }
  static std::vector<int32_t> permuted(const std::vector<int32_t>& values,
                                       const std::vector<int32_t>& order) {
    std::vector<int32_t> result;
    result.reserve(order.size());
    for (const int32_t place : order) result.push_back(values[static_cast<size_t>(place)]);
    return result;
  }

  void lay_out(const std::vector<Group>& groups, const std::vector<int32_t>& order) {
    const int longest = *std::max_element(context_lens_.begin(), context_lens_.end());
    stride_ = (longest + kPageSize - 1) / kPageSize + 1;
    const auto num_rows = static_cast<int>(order.size());
    slots_.resize(order.size());
    std::iota(slots_.rbegin(), slots_.rend(), 0);
    tables_.resize(order.size() * static_cast<size_t>(stride_));
    num_pages_ = static_cast<int64_t>(tables_.size());
    std::iota(tables_.rbegin(), tables_.rend(), 0);
    std::vector<int32_t> row_of(order.size());
    for (int row = 0; row < num_rows; ++row) row_of[static_cast<size_t>(order[row])] = row;
    const auto table_of = [&](int32_t row) {
      return tables_.begin() + int64_t{slots_[static_cast<size_t>(row)]} * stride_;
    };
    size_t next = 0;
    for (const Group& group : groups) {
      const int32_t first = row_of[next];
      if (group.pages > 0) starts_.push_back(static_cast<int32_t>(group_rows_.size()));
      for (size_t i = 0; i < group.context_lens.size(); ++i) {
        const int32_t row = row_of[next++];
        if (group.pages == 0) continue;
        group_rows_.push_back(row);
        std::copy_n(table_of(first), group.pages, table_of(row));
      }
    }
    // As many without rows.
    starts_.resize(2 * starts_.size() + 1, static_cast<int32_t>(group_rows_.size()));
    if (group_rows_.empty()) group_rows_.push_back(0);
  }

  DType type_;
  AttentionShape shape_;
  bool turns_;
  int stride_ = 0;
  int64_t num_pages_ = 0;
  std::vector<int32_t> context_lens_;
  std::vector<int32_t> prefix_pages_;  // by row
  std::vector<int32_t> group_rows_;
  std::vector<int32_t> starts_;
  std::vector<int32_t> slots_;
  std::vector<int32_t> tables_;
};

constexpr DType kTypes[] = {DType::kF16, DType::kBF16};

void check(Devices& devices, DType type, const AttentionShape& shape,
           const std::vector<Group>& groups, bool turns = true) {
  const Step step(type, shape, turns, groups);
  if (step.states_bytes(devices.cuda) == 0) return;
  CAPTURE(dtype_name(type));
  CAPTURE(shape.num_heads);
  CAPTURE(shape.num_kv_heads);
  CAPTURE(shape.head_dim);
  CHECK(step.run(devices.cuda, true) == step.run(devices.cuda, false));
}

// n rows of lengths from `shortest` on, `step` apart.
std::vector<int32_t> lengths(int n, int shortest, int step) {
  std::vector<int32_t> result;
  result.reserve(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) result.push_back(shortest + i * step);
  return result;
}

TEST_CASE("pages read once give the bits of rows that read for themselves, in groups of any size") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kTypes) {
    for (const int group : {1, 2, 3, 4, 5, 7, 8, 12, 16}) {
      for (const int head_dim : {64, 128}) {
        const int most = prefix_group_rows(group);
        check(*devices, type, heads(2 * group, 2, head_dim),
              {{3, lengths(most, 385, 9)},
               {8, lengths(std::max(2, most / 2), 1025, 31)},
               {0, {1, 500, 1300}},
               {1, lengths(2, 129, 100)}});
      }
    }
  }
}

TEST_CASE("prefixes may end anywhere in a row that is split, and rows may have ended") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const AttentionShape shape = heads(8, 2, 128);
  for (const DType type : kTypes) {
    for (const int pages : {1, 7, 8, 9, 11, 12, 13, 16, 19, 20, 24, 33}) {
      CAPTURE(pages);
      const int first = pages * kPageSize + 1;
      // Rows whose last split ends at the prefix, a little or much after it.
      check(*devices, type, shape,
            {{pages, {first, first + 1, first + 127, first + 500, 0}},
             {pages, {first + 1023, 0, first + 1100, first + 4 * kPageSize}},
             {0, {0, first}}});
    }
  }
}

TEST_CASE("a block that has many splits goes from rows to rows and from head to head") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  std::vector<Group> groups;
  for (const int pages : {8, 9, 40, 1, 16, 25, 33, 24, 7, 64, 17, 32, 5, 50}) {
    groups.push_back({pages, lengths(3, pages * kPageSize + 1, 77)});
  }
  check(*devices, DType::kBF16, heads(16, 8, 128), groups);
  check(*devices, DType::kF16, heads(28, 7, 64), groups);
}

TEST_CASE("rows without rotation and long shared contexts are read once") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  check(*devices, DType::kBF16, heads(4, 1, 128), {{3, lengths(12, 400, 7)}}, /*turns=*/false);
  check(*devices, DType::kBF16, heads(4, 1, 64),
        {{254, {kMaxPrefixContext, kMaxPrefixContext - 5, 32600}}, {200, {25601, 31000}}});
}

}  // namespace
}  // namespace eet::test
