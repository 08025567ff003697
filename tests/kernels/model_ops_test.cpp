// What models add to the plain operations, on CUDA against double precision: norms of all kinds,
// partial and interleaved rotation, ReLU, scaled embeddings and capped logits.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "lib/core/error.h"
#include "lib/ops/ops.h"
#include "tests/kernels/device_test.h"
#include "tests/kernels/norm_cases.h"
#include "tests/lib/op_reference.h"

namespace eet::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

constexpr NormTraits kNorms[] = {
    {.kind = NormKind::kRmsNorm},
    {.kind = NormKind::kRmsNorm, .weight_offset = 1},
    {.kind = NormKind::kRmsNorm, .weight_offset = 1, .has_weight = false},
    {.kind = NormKind::kRmsNorm, .has_weight = false, .has_bias = true},
    {.kind = NormKind::kLayerNorm, .has_weight = false},
    {.kind = NormKind::kLayerNorm, .weight_offset = 1, .has_bias = true},
    {.kind = NormKind::kNone}};

std::vector<float> normalised_rows(const std::vector<float>& x, int64_t width,
                                   const NormReference& norm) {
  std::vector<float> all;
  for (size_t i = 0; i < x.size(); i += static_cast<size_t>(width)) {
    append(all, normalised(x.data() + i, width, norm));
  }
  return all;
}

template <typename Body>
void for_each_norm(Devices& devices, Body body) {
  for (const DType type : kComputeTypes) {
    for (const int64_t width : {1, 7, 64, 111, 320, 512, 516, 4096, 16384}) {
      uint32_t seed = 10;
      for (const NormTraits& traits : kNorms) {
        CAPTURE(dtype_name(type));
        CAPTURE(width);
        CAPTURE(static_cast<int>(traits.kind));
        CAPTURE(traits.weight_offset);
        CAPTURE(traits.has_weight);
        body(type, width, make_norm(devices.cuda, type, traits, width, ++seed));
      }
    }
  }
}

// One element less its own mean is nothing but its rounding.
bool is_trivial(const NormCase& norm, int64_t width) {
  return width == 1 && norm.reference.kind == NormKind::kLayerNorm;
}

TEST_CASE("add_norm matches double precision with norms of every kind and a scaled delta") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int64_t kRows = 5;
  for_each_norm(*devices, [&](DType type, int64_t width, const NormCase& norm) {
    const std::vector<float> before = random_values(kRows * width, 1, 3.0F, 0.5F);
    const std::vector<float> changes = rounded(random_values(kRows * width, 2), type);
    const Tensor residual(devices->cuda, DType::kF32, {kRows, width}, before);
    const Tensor delta(devices->cuda, type, {kRows, width}, changes);
    const Tensor out(devices->cuda, type, {kRows, width});
    ops::add_norm(devices->cuda, out, residual, delta, norm.view(), 0.22F);
    std::vector<float> sum(before);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += 0.22F * changes[i];
    CHECK(residual.read() == sum);
    if (is_trivial(norm, width)) return;
    CHECK(normalised_error(out.read(), normalised_rows(sum, width, norm.reference)) <
          tolerance(type));
  });
}

TEST_CASE("post_norm_add_norm matches double precision; a row's bits are its own") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int64_t kRows = 5;
  const Tensor chosen(devices->cuda, {2}, std::vector<int32_t>{4, 1});
  for_each_norm(*devices, [&](DType type, int64_t width, const NormCase& post) {
    if (is_trivial(post, width)) return;
    const std::vector<float> before = random_values(kRows * width, 1, 3.0F, 0.5F);
    const std::vector<float> changes = rounded(random_values(kRows * width, 2), type);
    const std::vector<float> addends = normalised_rows(changes, width, post.reference);
    std::vector<float> sum(before);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += 0.22F * addends[i];
    uint32_t seed = 70;
    for (const NormTraits& traits : {kNorms[1], kNorms[5], kNorms[6]}) {
      CAPTURE(static_cast<int>(traits.kind));
      const NormCase after = make_norm(devices->cuda, type, traits, width, ++seed);
      if (is_trivial(after, width)) continue;
      const std::vector<float> expected = normalised_rows(sum, width, after.reference);
      // Of `count` rows from `first` on: out, the residual then, and out of chosen rows.
      const auto run = [&](int64_t first, int64_t count, const Tensor* rows) {
        const auto part = [&](const std::vector<float>& all) {
          return std::vector<float>(all.begin() + first * width,
                                    all.begin() + (first + count) * width);
        };
        const Tensor residual(devices->cuda, DType::kF32, {count, width}, part(before));
        const Tensor delta(devices->cuda, type, {count, width}, part(changes));
        const Tensor out(devices->cuda, type, {rows == nullptr ? count : 2, width});
        ops::post_norm_add_norm(devices->cuda, out, residual, delta, post.view(), after.view(),
                                0.22F, rows == nullptr ? nullptr : rows->as<int32_t>());
        if (rows == nullptr && count == kRows) {
          CHECK(normalised_error(out.read(), expected) < tolerance(type));
          CHECK(normalised_error(residual.read(), sum) < tolerance(DType::kF32));
        }
        if (rows != nullptr) CHECK(residual.read() == before);
        return out.read_bytes();
      };
      const auto row_bytes = static_cast<ptrdiff_t>(width) * dtype_size(type);
      const std::vector<uint8_t> all = run(0, kRows, nullptr);
      const std::vector<uint8_t> last(all.end() - row_bytes, all.end());
      CHECK(run(kRows - 1, 1, nullptr) == last);
      std::vector<uint8_t> both = last;
      both.insert(both.end(), all.begin() + row_bytes, all.begin() + 2 * row_bytes);
      CHECK(run(0, kRows, &chosen) == both);
    }
  });
}

TEST_CASE("norm and norm_residual match double precision, in place too; a row's bits are its own") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int64_t kRows = 13;
  for_each_norm(*devices, [&](DType type, int64_t width, const NormCase& norm) {
    if (is_trivial(norm, width)) return;
    const std::vector<float> values = rounded(random_values(kRows * width, 1, 3.0F, 0.5F), type);
    const std::vector<float> expected = normalised_rows(values, width, norm.reference);
    const Tensor x(devices->cuda, type, {kRows, width}, values);
    const Tensor out(devices->cuda, type, {kRows, width});
    ops::norm(devices->cuda, out, x, norm.view());
    CHECK(normalised_error(out.read(), expected) < tolerance(type));
    ops::norm(devices->cuda, x, x, norm.view());
    CHECK(x.read_bytes() == out.read_bytes());

    const Tensor residual(devices->cuda, DType::kF32, {kRows, width}, values);
    ops::norm_residual(devices->cuda, residual, norm.view());
    CHECK(normalised_error(residual.read(), expected) < tolerance(DType::kF32));

    const std::vector<float> last(values.end() - width, values.end());
    const Tensor alone(devices->cuda, type, {1, width}, last);
    ops::norm(devices->cuda, alone, alone, norm.view());
    CHECK(alone.read_bytes() == out.read_last_row_bytes());
  });
}

TEST_CASE("add_to_residual and a scaled embed give the CPU's bits") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const int64_t hidden : {1, 111, 768}) {
      CAPTURE(dtype_name(type));
      CAPTURE(hidden);
      const std::vector<float> before = random_values(3 * hidden, 1);
      const std::vector<float> table = rounded(random_values(9 * hidden, 2), type);
      const std::vector<float> places = rounded(random_values(9 * hidden, 3), type);
      const auto run = [&](const Context& ctx, DType as) {
        const Tensor residual(ctx, DType::kF32, {3, hidden}, before);
        const Tensor delta(ctx, as, {3, hidden}, {table.begin(), table.begin() + 3 * hidden});
        ops::add_to_residual(ctx, residual, delta, 0.3F);
        const Tensor embedded(ctx, DType::kF32, {3, hidden});
        const Tensor ids(ctx, {3}, std::vector<int32_t>{8, 1, -1});
        const Tensor positions(ctx, {3}, std::vector<int32_t>{0, 8, -1});
        ops::embed(ctx, embedded, ids.as<int32_t>(), positions.as<int32_t>(),
                   Tensor(ctx, as, {9, hidden}, table), Tensor(ctx, as, {9, hidden}, places),
                   27.7F);
        std::vector<uint8_t> all = residual.read_bytes();
        const std::vector<uint8_t> more = embedded.read_bytes();
        all.insert(all.end(), more.begin(), more.end());
        return all;
      };
      CHECK(run(devices->cuda, type) == run(devices->cpu, DType::kF32));
    }
  }
}

struct RopeCase {
  int head_dim;
  int rotary_dim;
  bool interleaved;
};

// Five tokens, one a pad, whose rows of the table are not their positions; pages are NaN at first.
void check_rope(Devices& devices, DType type, const RopeCase& test) {
  constexpr int kHeads = 5;
  constexpr int kKvHeads = 2;
  constexpr int kAll = kHeads + 2 * kKvHeads;
  const Context& ctx = devices.cuda;
  const int64_t dim = test.head_dim;
  const std::vector<int32_t> positions = {127, 128, -1, 0, 200};
  const std::vector<int32_t> rows = {3, 0, -1, 6, 5};
  const auto num_tokens = static_cast<int64_t>(positions.size());
  const std::vector<float> values = rounded(random_values(num_tokens * kAll * dim, 1), type);
  const std::vector<float> angles = random_values(int64_t{7} * test.rotary_dim, 2);
  const Tensor qkv(ctx, type, {num_tokens, kAll * dim}, values);
  const Tensor keys(ctx, type, {3, kKvHeads, kPageSize, dim});
  const Tensor cached(ctx, type, {3, kKvHeads, kPageSize, dim});
  const Tensor table(ctx, DType::kF32, {7, test.rotary_dim / 2, 2}, angles);
  const Tensor position_ids(ctx, {num_tokens}, positions);
  const Tensor rope_rows(ctx, {num_tokens}, rows);
  const Tensor slots(ctx, {num_tokens}, std::vector<int32_t>(num_tokens, 0));
  const Tensor block_tables(ctx, {2}, std::vector<int32_t>{2, 0});
  ForwardBatch batch;
  batch.num_tokens = static_cast<int>(num_tokens);
  batch.positions = position_ids.as<int32_t>();
  batch.rope_positions = rope_rows.as<int32_t>();
  batch.token_slots = slots.as<int32_t>();
  batch.block_tables = block_tables.as<int32_t>();
  batch.block_table_stride = 2;
  const AttentionShape shape{
      .num_heads = kHeads, .num_kv_heads = kKvHeads, .head_dim = test.head_dim};
  ops::rope_append(ctx, qkv, {keys, cached}, batch, shape, {table, test.interleaved});

  std::vector<float> want_q(values);
  std::vector<float> want_keys(3 * kKvHeads * kPageSize * dim, kNan);
  std::vector<float> want_values = want_keys;
  for (int64_t t = 0; t < num_tokens; ++t) {
    if (positions[t] < 0) continue;
    for (int head = 0; head < kAll; ++head) {
      const auto x = values.begin() + (t * kAll + head) * dim;
      const bool is_value = head >= kHeads + kKvHeads;
      const std::vector<double> y =
          turned(&*x, test.head_dim, angles.data() + int64_t{rows[t]} * test.rotary_dim,
                 is_value ? 0 : test.rotary_dim, test.interleaved);
      if (head < kHeads) {
        std::copy(y.begin(), y.end(), want_q.begin() + (t * kAll + head) * dim);
        continue;
      }
      const int32_t page = positions[t] < kPageSize ? 2 : 0;
      const int64_t offset = kv_offset(page, (head - kHeads) % kKvHeads, positions[t] % kPageSize,
                                       kKvHeads, test.head_dim);
      std::copy(y.begin(), y.end(), (is_value ? want_values : want_keys).begin() + offset);
    }
  }
  // What is NaN in one is NaN in the other: nothing else is written.
  const auto check_same = [&](std::vector<float> actual, std::vector<float> expected) {
    for (size_t i = 0; i < actual.size(); ++i) {
      if (std::isnan(actual[i]) && std::isnan(expected[i])) actual[i] = expected[i] = 0;
    }
    CHECK(normalised_error(actual, expected) < tolerance(type));
  };
  check_same(qkv.read(), want_q);
  check_same(keys.read(), want_keys);
  check_same(cached.read(), want_values);
}

TEST_CASE("rope_append turns parts of heads, by halves and interleaved, by rows of their own") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const int head_dim : {8, 72, 80, 96, 128, 256, 320, 512}) {
      for (const int rotary_dim : {2, 6, 8, 16, 32, 40, 64, head_dim - 2, head_dim}) {
        if (rotary_dim > head_dim) continue;
        for (const bool interleaved : {false, true}) {
          CAPTURE(dtype_name(type));
          CAPTURE(head_dim);
          CAPTURE(rotary_dim);
          CAPTURE(interleaved);
          check_rope(*devices, type, {head_dim, rotary_dim, interleaved});
        }
      }
    }
  }
}

TEST_CASE("ReLU and its square match double precision, gated and not, and pass NaN on") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const int64_t width : {33, 512}) {
      const std::vector<float> values = rounded(random_values(3 * 2 * width, 1, 2.0F), type);
      const Tensor x(devices->cuda, type, {3, 2 * width}, values);
      for (const Activation kind : {Activation::kRelu, Activation::kReluSquared}) {
        CAPTURE(dtype_name(type));
        CAPTURE(width);
        CAPTURE(static_cast<int>(kind));
        const Tensor gated(devices->cuda, type, {3, width});
        const Tensor plain(devices->cuda, type, {3, 2 * width});
        ops::activation(devices->cuda, gated, x, kind, true);
        ops::activation(devices->cuda, plain, x, kind, false);
        std::vector<float> want_gated;
        std::vector<float> want_plain;
        for (int64_t i = 0; i < 3 * 2 * width; ++i) {
          const double y = activated(kind, values[i]);
          want_plain.push_back(static_cast<float>(y));
          if (i % (2 * width) < width) {
            want_gated.push_back(static_cast<float>(y * values[i + width]));
          }
        }
        CHECK(normalised_error(gated.read(), want_gated) < tolerance(type));
        CHECK(normalised_error(plain.read(), want_plain) < tolerance(type));
        const Tensor nan(devices->cuda, type, {1, 1}, {kNan});
        ops::activation(devices->cuda, nan, nan, kind, false);
        CHECK(std::isnan(nan.read()[0]));
      }
    }
  }
}

TEST_CASE("scale_logits adds a bias to the columns that have one, scales, and caps") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const int64_t columns : {1, 3, 1025, 50304}) {
    for (const float softcap : {0.0F, 30.0F, 0.5F}) {
      const std::vector<float> values = random_values(3 * columns, 1, 40.0F);
      const Tensor logits(devices->cuda, DType::kF32, {3, columns}, values);
      const int64_t num_biases = softcap == 0.5F ? 0 : columns - columns / 2;
      const std::vector<float> biases = random_values(num_biases, 2, 10.0F);
      const Tensor bias(devices->cuda, DType::kF32, {num_biases}, biases);
      ops::scale_logits(devices->cuda, logits, num_biases > 0 ? bias.view() : TensorView(), 0.0625F,
                        softcap);
      std::vector<float> expected;
      for (size_t i = 0; i < values.size(); ++i) {
        const auto column = static_cast<int64_t>(i) % columns;
        const double l = values[i] + (column < num_biases ? double{biases[column]} : 0.0);
        const double scaled = 0.0625 * l;
        expected.push_back(
            static_cast<float>(softcap > 0 ? softcap * std::tanh(scaled / softcap) : scaled));
      }
      CHECK(normalised_error(logits.read(), expected) < 1e-6);
    }
  }
}

}  // namespace
}  // namespace eet::test
