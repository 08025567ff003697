// QK-norm on CUDA: alone against double precision, and on the way of rope_append().
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lib/ops/ops.h"
#include "tests/kernels/device_test.h"
#include "tests/kernels/norm_cases.h"
#include "tests/lib/op_reference.h"

namespace eet::test {
namespace {

struct QkCase {
  int num_heads;
  int num_kv_heads;
  int head_dim;
};

// Whether q's (and k's) groups, and weights, are whole projections or heads.
struct QkWidths {
  bool whole_groups;
  bool whole_weights;
};

void check_qk_norm(Devices& devices, DType type, const QkCase& heads, const QkWidths& widths,
                   const NormTraits& traits) {
  constexpr int64_t kTokens = 5;
  const Context& ctx = devices.cuda;
  const int64_t dim = heads.head_dim;
  const int64_t q_size = heads.num_heads * dim;
  const int64_t k_size = heads.num_kv_heads * dim;
  const int64_t row = q_size + 2 * k_size;
  const auto width = [&](int64_t size) { return widths.whole_groups ? size : dim; };
  const auto weights = [&](int64_t size) { return widths.whole_weights ? size : dim; };
  const NormCase q = make_norm(ctx, type, traits, weights(q_size), 5);
  const NormCase k = make_norm(ctx, type, traits, weights(k_size), 6);
  const std::vector<float> values = rounded(random_values(kTokens * row, 1, 2.0F, 0.3F), type);
  const AttentionShape shape{
      .num_heads = heads.num_heads, .num_kv_heads = heads.num_kv_heads, .head_dim = heads.head_dim};
  const QkNorm norm = {q.view(), k.view(), width(q_size), width(k_size)};
  const Tensor qkv(ctx, type, {kTokens, row}, values);
  ops::qk_norm(ctx, qkv, shape, norm);

  std::vector<float> expected;
  for (int64_t t = 0; t < kTokens; ++t) {
    const float* token = values.data() + t * row;
    const auto append_groups = [&](const float* all, int64_t size, const NormReference& each) {
      for (int64_t i = 0; i < size; i += width(size)) {
        append(expected, normalised(all + i, width(size), each, i));
      }
    };
    append_groups(token, q_size, q.reference);
    append_groups(token + q_size, k_size, k.reference);
    expected.insert(expected.end(), token + q_size + k_size, token + row);
  }
  CHECK(normalised_error(qkv.read(), expected) < tolerance(type));

  const Tensor alone(ctx, type, {1, row}, {values.end() - row, values.end()});
  ops::qk_norm(ctx, alone, shape, norm);
  CHECK(alone.read_bytes() == qkv.read_last_row_bytes());
}

TEST_CASE("qk_norm matches double precision, by heads and whole projections") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr QkCase kHeads[] = {{1, 1, 8},   {71, 1, 64}, {6, 2, 72},  {32, 8, 128}, {4, 4, 80},
                               {5, 1, 192}, {4, 1, 256}, {3, 3, 320}, {32, 2, 512}};
  for (const DType type : kComputeTypes) {
    for (const QkCase& heads : kHeads) {
      for (const QkWidths& widths :
           {QkWidths{false, false}, {false, true}, {true, true}, {true, false}}) {
        CAPTURE(dtype_name(type));
        CAPTURE(heads.num_heads);
        CAPTURE(heads.head_dim);
        CAPTURE(widths.whole_groups);
        CAPTURE(widths.whole_weights);
        check_qk_norm(*devices, type, heads, widths,
                      {.kind = NormKind::kRmsNorm, .weight_offset = 1});
        check_qk_norm(*devices, type, heads, widths,
                      {.kind = NormKind::kLayerNorm, .has_bias = true});
      }
    }
  }
}

// A pass of some of four tokens, one a pad, in one operation or in two: q, and the pages, which are
// NaN at first.
std::vector<uint8_t> norm_and_append(const Context& ctx, DType type, const QkCase& heads,
                                     const RopeTable& rope, const QkNorm& norm, int first,
                                     int count, bool in_one) {
  const std::vector<int32_t> positions = {127, -1, 0, 200};
  const std::vector<int32_t> rows = {3, -1, 6, 5};
  const int64_t dim = heads.head_dim;
  const int64_t q_size = heads.num_heads * dim;
  const int64_t row = q_size + 2 * heads.num_kv_heads * dim;
  const std::vector<float> values = rounded(random_values(4 * row, 1, 2.0F, 0.3F), type);
  const auto part = [&](const auto& all, int64_t width) {
    return std::vector(all.begin() + first * width, all.begin() + (first + count) * width);
  };
  const Tensor qkv(ctx, type, {count, row}, part(values, row));
  const Tensor keys(ctx, type, {3, heads.num_kv_heads, kPageSize, dim});
  const Tensor cached(ctx, type, {3, heads.num_kv_heads, kPageSize, dim});
  const Tensor position_ids(ctx, {count}, part(positions, 1));
  const Tensor rope_rows(ctx, {count}, part(rows, 1));
  const Tensor slots(ctx, {count}, std::vector<int32_t>(count, 0));
  const Tensor block_tables(ctx, {2}, std::vector<int32_t>{2, 0});
  ForwardBatch batch;
  batch.num_tokens = count;
  batch.positions = position_ids.as<int32_t>();
  batch.rope_positions = rope_rows.as<int32_t>();
  batch.token_slots = slots.as<int32_t>();
  batch.block_tables = block_tables.as<int32_t>();
  batch.block_table_stride = 2;
  const AttentionShape shape{
      .num_heads = heads.num_heads, .num_kv_heads = heads.num_kv_heads, .head_dim = heads.head_dim};
  if (in_one) {
    ops::rope_append(ctx, qkv, {keys, cached}, batch, shape, rope, norm);
  } else {
    ops::qk_norm(ctx, qkv, shape, norm, rope);
    ops::rope_append(ctx, qkv, {keys, cached}, batch, shape, rope);
  }
  std::vector<uint8_t> all;
  const std::vector<uint8_t> tokens = qkv.read_bytes();
  for (int t = 0; t < count; ++t) {
    if (positions[first + t] < 0) continue;  // a pad's are undefined
    const auto begin = tokens.begin() + t * row * static_cast<int64_t>(dtype_size(type));
    all.insert(all.end(), begin, begin + q_size * static_cast<int64_t>(dtype_size(type)));
  }
  for (const Tensor* pages : {&keys, &cached}) {
    const std::vector<uint8_t> more = pages->read_bytes();
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

TEST_CASE("rope_append with a norm gives the bits of qk_norm before it, alone and in a batch") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr QkCase kHeads[] = {{1, 1, 8},   {71, 1, 64}, {6, 2, 72},  {32, 32, 128},
                               {4, 1, 256}, {3, 3, 320}, {40, 8, 80}, {8, 2, 512}};
  for (const DType type : kComputeTypes) {
    for (const QkCase& heads : kHeads) {
      const int64_t dim = heads.head_dim;
      for (const int64_t rotary_dim : {int64_t{0}, int64_t{6}, int64_t{8}, dim - 2, dim}) {
        const Tensor table(devices->cuda, DType::kF32, {7, std::max<int64_t>(rotary_dim, 2) / 2, 2},
                           random_values(7 * std::max<int64_t>(rotary_dim, 2), 2));
        for (const int variant : {0, 1, 2, 3}) {
          const bool interleaved = variant % 2 == 1;
          const bool whole = variant >= 2;
          CAPTURE(dtype_name(type));
          CAPTURE(heads.num_heads);
          CAPTURE(dim);
          CAPTURE(rotary_dim);
          CAPTURE(variant);
          const int64_t q_width = whole ? heads.num_heads * dim : dim;
          const int64_t k_width = whole ? heads.num_kv_heads * dim : dim;
          const NormTraits traits = {
              .kind = interleaved ? NormKind::kLayerNorm : NormKind::kRmsNorm,
              .weight_offset = 1,
              .has_bias = interleaved};
          const NormCase q = make_norm(devices->cuda, type, traits, q_width, 5);
          const NormCase k = make_norm(devices->cuda, type, traits, k_width, 6);
          const QkNorm norm = {q.view(), k.view(), q_width, k_width};
          const RopeTable rope = {rotary_dim == 0 ? TensorView() : table.view(), interleaved};
          const auto run = [&](int first, int count, bool in_one) {
            return norm_and_append(devices->cuda, type, heads, rope, norm, first, count, in_one);
          };
          CHECK(run(0, 4, true) == run(0, 4, false));
          // The batch's last token is alone in its page: q comes before it, and the pads' after.
          const std::vector<uint8_t> all = run(0, 4, true);
          const std::vector<uint8_t> alone = run(3, 1, true);
          const auto q_bytes =
              static_cast<ptrdiff_t>(heads.num_heads * dim) * static_cast<int>(dtype_size(type));
          CHECK(std::equal(alone.begin(), alone.begin() + q_bytes, all.begin() + 2 * q_bytes));
          const auto page_bytes = static_cast<ptrdiff_t>(heads.num_kv_heads) * kPageSize * dim *
                                  static_cast<int>(dtype_size(type));
          for (const ptrdiff_t pages : {ptrdiff_t{0}, 3 * page_bytes}) {
            const auto page = alone.begin() + q_bytes + pages;
            CHECK(std::equal(page, page + page_bytes, all.begin() + 3 * q_bytes + pages));
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace eet::test
