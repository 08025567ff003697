// What models add to the plain operations, on the CPU against double precision: norms of all kinds,
// partial and interleaved rotation, windows, caps, sinks and ALiBi.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "lib/core/error.h"
#include "lib/ops/ops.h"
#include "tests/lib/op_reference.h"

namespace eet::test {
namespace {

class Fixture {
 public:
  Context ctx{.device = {}, .pool = &pool_};

  std::vector<float> random(int64_t count, float scale = 1.0F, float mean = 0.0F) {
    std::normal_distribution<float> normal(mean, scale);
    std::vector<float> values(count);
    for (float& v : values) v = normal(generator_);
    return values;
  }

 private:
  ThreadPool pool_{2};
  std::mt19937 generator_{7};
};

Norm norm_of(NormReference& norm) {
  const auto vector = [](std::vector<float>& v) {
    return v.empty() ? TensorView() : view(v, {static_cast<int64_t>(v.size())});
  };
  return {.kind = norm.kind,
          .eps = static_cast<float>(norm.eps),
          .weight_offset = static_cast<float>(norm.weight_offset),
          .weight = vector(norm.weight),
          .bias = vector(norm.bias)};
}

std::vector<NormReference> all_norms(Fixture& f, int64_t width) {
  return {{.kind = NormKind::kRmsNorm, .weight = f.random(width)},
          {.kind = NormKind::kRmsNorm, .weight_offset = 1, .weight = f.random(width, 0.3F)},
          {.kind = NormKind::kRmsNorm, .weight_offset = 1},  // an absent weight is a factor of 1
          {.kind = NormKind::kRmsNorm, .bias = f.random(width)},
          {.kind = NormKind::kLayerNorm},
          {.kind = NormKind::kLayerNorm, .weight = f.random(width), .bias = f.random(width)},
          {.kind = NormKind::kLayerNorm, .weight_offset = 1, .weight = f.random(width)},
          {.kind = NormKind::kNone, .weight_offset = 1, .weight = f.random(width)}};
}

TEST_CASE("norms of every kind match double precision, with a scaled delta and in place") {
  Fixture f;
  constexpr int64_t kTokens = 3;
  for (const int64_t width : {1, 8, 111, 768}) {
    for (NormReference& reference : all_norms(f, width)) {
      CAPTURE(width);
      CAPTURE(static_cast<int>(reference.kind));
      CAPTURE(reference.weight_offset);
      const Norm norm = norm_of(reference);
      const auto expected = [&](const std::vector<float>& x) {
        std::vector<double> all;
        for (int64_t t = 0; t < kTokens; ++t) {
          const auto row = normalised(x.data() + t * width, width, reference);
          all.insert(all.end(), row.begin(), row.end());
        }
        return all;
      };
      auto residual = f.random(kTokens * width, 2.0F, 1.0F);
      auto delta = f.random(kTokens * width);
      std::vector<float> sum(residual);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += 0.22F * delta[i];
      std::vector<float> out(kTokens * width, std::nanf(""));
      ops::add_norm(f.ctx, view(out, {kTokens, width}), view(residual, {kTokens, width}),
                    view(delta, {kTokens, width}), norm, 0.22F);
      // One element less its own mean is nothing.
      const bool is_zero = width == 1 && reference.kind == NormKind::kLayerNorm;
      if (!is_zero) CHECK(relative_error(out, expected(sum)) < 2e-6);
      CHECK(residual == sum);

      ops::norm(f.ctx, view(residual, {kTokens, width}), view(residual, {kTokens, width}), norm);
      CHECK(residual == out);
      ops::norm_residual(f.ctx, view(sum, {kTokens, width}), norm);
      CHECK(sum == out);
    }
  }
}

TEST_CASE("post_norm_add_norm norms a delta, adds it and norms the sum, of all rows or of some") {
  Fixture f;
  constexpr int64_t kTokens = 3;
  constexpr int64_t kWidth = 111;
  const std::vector<int32_t> rows = {2, 0, 2};
  for (NormReference& post : all_norms(f, kWidth)) {
    for (NormReference& after : all_norms(f, kWidth)) {
      CAPTURE(static_cast<int>(post.kind));
      CAPTURE(static_cast<int>(after.kind));
      auto residual = f.random(kTokens * kWidth, 2.0F, 1.0F);
      auto delta = f.random(kTokens * kWidth);
      const auto before = residual;
      std::vector<double> sum;
      std::vector<double> want[kTokens];
      for (int64_t t = 0; t < kTokens; ++t) {
        const auto addend = normalised(delta.data() + t * kWidth, kWidth, post);
        std::vector<float> x;
        for (int64_t i = 0; i < kWidth; ++i) {
          sum.push_back(residual[t * kWidth + i] + double{0.22F} * addend[i]);
          x.push_back(static_cast<float>(sum.back()));
        }
        want[t] = normalised(x.data(), kWidth, after);
      }
      const auto run = [&](const int32_t* some) {
        std::vector<float> out(kTokens * kWidth, std::nanf(""));
        ops::post_norm_add_norm(f.ctx, view(out, {kTokens, kWidth}),
                                view(residual, {kTokens, kWidth}), view(delta, {kTokens, kWidth}),
                                norm_of(post), norm_of(after), 0.22F, some);
        std::vector<double> all;
        for (int64_t i = 0; i < kTokens; ++i) {
          const auto& row = want[some == nullptr ? i : some[i]];
          all.insert(all.end(), row.begin(), row.end());
        }
        CHECK(relative_error(out, all) < 2e-6);
      };
      run(rows.data());
      CHECK(residual == before);
      run(nullptr);
      CHECK(relative_error(residual, sum) < 1e-6);
    }
  }
}

TEST_CASE("add_to_residual adds a scaled delta") {
  Fixture f;
  auto residual = f.random(5 * 33);
  auto delta = f.random(5 * 33);
  const auto before = residual;
  ops::add_to_residual(f.ctx, view(residual, {5, 33}), view(delta, {5, 33}), 0.5F);
  for (size_t i = 0; i < residual.size(); ++i) CHECK(residual[i] == before[i] + 0.5F * delta[i]);
}

TEST_CASE("embed scales the token's row only") {
  Fixture f;
  auto tokens = f.random(7 * 20);
  auto places = f.random(4 * 20);
  const std::vector<int32_t> ids = {6, 0};
  const std::vector<int32_t> positions = {3, -1};
  std::vector<float> out(2 * 20, std::nanf(""));
  ops::embed(f.ctx, view(out, {2, 20}), ids.data(), positions.data(), view(tokens, {7, 20}),
             view(places, {4, 20}), 11.5F);
  for (int i = 0; i < 20; ++i) {
    CHECK(out[i] == 11.5F * tokens[6 * 20 + i] + places[3 * 20 + i]);
    CHECK(out[20 + i] == 0.0F);
  }
}

TEST_CASE("qk_norm normalises heads or projections, by weights shared or of their own") {
  Fixture f;
  constexpr int64_t kTokens = 4;
  const AttentionShape shape{.num_heads = 6, .num_kv_heads = 2, .head_dim = 24};
  const int64_t q_size = 6 * 24;
  const int64_t k_size = 2 * 24;
  struct Case {
    int64_t q_width, k_width, q_weights, k_weights;
  };
  for (const Case& test : {Case{24, 24, 24, 24}, Case{24, 24, q_size, k_size},
                           Case{q_size, k_size, q_size, k_size}, Case{q_size, k_size, 24, 24}}) {
    for (const NormKind kind : {NormKind::kRmsNorm, NormKind::kLayerNorm}) {
      CAPTURE(test.q_width);
      CAPTURE(test.q_weights);
      NormReference q = {.kind = kind, .weight_offset = 1, .weight = f.random(test.q_weights)};
      NormReference k = {
          .kind = kind, .weight = f.random(test.k_weights), .bias = f.random(test.k_weights)};
      auto qkv = f.random(kTokens * (q_size + 2 * k_size), 3.0F, 0.5F);
      const auto before = qkv;
      ops::qk_norm(f.ctx, view(qkv, {kTokens, q_size + 2 * k_size}), shape,
                   {norm_of(q), norm_of(k), test.q_width, test.k_width});
      std::vector<double> want;
      for (int64_t t = 0; t < kTokens; ++t) {
        const float* row = before.data() + t * (q_size + 2 * k_size);
        for (int64_t i = 0; i < q_size; i += test.q_width) {
          const auto group = normalised(row + i, test.q_width, q, i);
          want.insert(want.end(), group.begin(), group.end());
        }
        for (int64_t i = 0; i < k_size; i += test.k_width) {
          const auto group = normalised(row + q_size + i, test.k_width, k, i);
          want.insert(want.end(), group.begin(), group.end());
        }
        want.insert(want.end(), row + q_size + k_size, row + q_size + 2 * k_size);
      }
      CHECK(relative_error(qkv, want) < 2e-6);
    }
  }
}

TEST_CASE("ReLU and its square match, gated and not, and pass NaN on") {
  Fixture f;
  const int64_t n = 77;
  auto x = f.random(2 * n, 4.0F);
  for (const Activation kind : {Activation::kRelu, Activation::kReluSquared}) {
    std::vector<float> gated(n);
    std::vector<float> plain(2 * n);
    ops::activation(f.ctx, view(gated, {1, n}), view(x, {1, 2 * n}), kind, true);
    ops::activation(f.ctx, view(plain, {1, 2 * n}), view(x, {1, 2 * n}), kind, false);
    std::vector<double> want_gated;
    std::vector<double> want_plain;
    for (int64_t i = 0; i < n; ++i) want_gated.push_back(activated(kind, x[i]) * x[n + i]);
    for (int64_t i = 0; i < 2 * n; ++i) want_plain.push_back(activated(kind, x[i]));
    CHECK(relative_error(gated, want_gated) < 1e-6);
    CHECK(relative_error(plain, want_plain) < 1e-6);
    std::vector<float> nan = {std::nanf("")};
    ops::activation(f.ctx, view(nan, {1, 1}), view(nan, {1, 1}), kind, false);
    CHECK(std::isnan(nan[0]));
  }
}

TEST_CASE("scale_logits adds a bias to the columns that have one, scales, and caps") {
  Fixture f;
  for (const float softcap : {0.0F, 30.0F, 0.5F}) {
    auto logits = f.random(3 * 101, 40.0F);
    auto bias = f.random(90, 10.0F);
    std::vector<double> want;
    for (size_t i = 0; i < logits.size(); ++i) {
      const size_t column = i % 101;
      const double l = logits[i] + (column < bias.size() ? double{bias[column]} : 0.0);
      const double scaled = 0.0625 * l;
      want.push_back(softcap > 0 ? softcap * std::tanh(scaled / softcap) : scaled);
    }
    ops::scale_logits(f.ctx, view(logits, {3, 101}), view(bias, {90}), 0.0625F, softcap);
    CHECK(relative_error(logits, want) < 1e-6);
  }
}

// One row of a prompt, whose tokens' rows of the rotary table are not their positions.
struct Prompt {
  AttentionShape shape;
  int rotary_dim = 0;  // 0: nothing turns
  bool interleaved = false;
  int64_t length = 300;  // three pages, the last one partly used
};

// Appends and attends, with NaN in all memory that is not the row's, and, with a window, gives the
// pages back that no query sees any more; compares q, k and the outputs with double precision.
void check_prompt(Fixture& f, const Prompt& prompt) {
  const AttentionShape& shape = prompt.shape;
  const int dim = shape.head_dim;
  const int num_all = shape.num_heads + 2 * shape.num_kv_heads;
  const int64_t width = int64_t{num_all} * dim;
  const int64_t length = prompt.length;
  const float nan = std::nanf("");
  std::vector<int32_t> table = {4, 0, 2, 1'000'000};
  std::vector<float> keys(int64_t{5} * shape.num_kv_heads * kPageSize * dim, nan);
  std::vector<float> values = keys;
  const KvLayer kv{view(keys, {5, shape.num_kv_heads, kPageSize, dim}),
                   view(values, {5, shape.num_kv_heads, kPageSize, dim})};
  auto qkv = f.random(length * width);
  const auto before = qkv;
  auto angles = f.random((length + 9) * prompt.rotary_dim);
  std::vector<int32_t> positions(length);
  std::vector<int32_t> rope_positions(length);
  for (int32_t p = 0; p < length; ++p) {
    positions[p] = p;
    rope_positions[p] = p + 9;
  }
  const std::vector<int32_t> slots(length, 0);
  ForwardBatch batch;
  batch.num_tokens = static_cast<int>(length);
  batch.num_rows = 1;
  batch.max_context_len = static_cast<int>(length);
  batch.positions = positions.data();
  batch.rope_positions = rope_positions.data();
  batch.token_slots = slots.data();
  batch.block_tables = table.data();
  batch.block_table_stride = 4;
  const RopeTable rope = {
      prompt.rotary_dim == 0 ? TensorView() : view(angles, {length + 9, prompt.rotary_dim / 2, 2}),
      prompt.interleaved};
  ops::rope_append(f.ctx, view(qkv, {length, width}), kv, batch, shape, rope);

  // Only the tokens from `first` on attend: what lies behind their windows is given back.
  const int64_t first = shape.window > 0 ? length - 45 : 0;
  const int64_t first_key = std::max<int64_t>(0, first - shape.window + 1);
  if (shape.window > 0) {
    for (int64_t page = 0; page < first_key / kPageSize; ++page) table[page] = 1 << 30;
  }
  const int64_t count = length - first;
  std::vector<float> queries(qkv.begin() + first * width, qkv.end());
  batch.num_tokens = static_cast<int>(count);
  batch.positions += first;
  const int64_t out_width = int64_t{shape.num_heads} * dim;
  std::vector<float> out(count * out_width, nan);
  ops::attention(f.ctx, view(out, {count, out_width}), view(queries, {count, width}), kv, batch,
                 shape, {});

  std::vector<std::vector<double>> heads(length * num_all);  // turned
  std::vector<float> got_turned;
  std::vector<double> want_turned;
  for (int64_t p = 0; p < length; ++p) {
    for (int h = 0; h < num_all; ++h) {
      const float* head = before.data() + p * width + int64_t{h} * dim;
      const bool turns = h < shape.num_heads + shape.num_kv_heads;
      heads[p * num_all + h] = turned(head, dim, angles.data() + (p + 9) * prompt.rotary_dim,
                                      turns ? prompt.rotary_dim : 0, prompt.interleaved);
      if (h >= shape.num_heads) continue;
      const float* q = qkv.data() + p * width + int64_t{h} * dim;
      got_turned.insert(got_turned.end(), q, q + dim);
      want_turned.insert(want_turned.end(), heads[p * num_all + h].begin(),
                         heads[p * num_all + h].end());
    }
  }
  CHECK(relative_error(got_turned, want_turned) < 1e-6);

  std::vector<double> want;
  for (int64_t p = first; p < length; ++p) {
    for (int h = 0; h < shape.num_heads; ++h) {
      const int kv_head = h / (shape.num_heads / shape.num_kv_heads);
      const auto head_at = [&](int head) {
        return [&heads, num_all, head](int64_t q) { return heads[q * num_all + head].data(); };
      };
      const ScoreReference rules = {
          .scale = shape.scale,
          .window = shape.window,
          .softcap = shape.softcap,
          .slope = shape.alibi_slopes ? shape.alibi_slopes.as<float>()[h] : 0,
          .sink = shape.sinks ? shape.sinks.as<float>() + h : nullptr};
      const auto average =
          attended(heads[p * num_all + h].data(), head_at(shape.num_heads + kv_head),
                   head_at(shape.num_heads + shape.num_kv_heads + kv_head), p, dim, rules);
      want.insert(want.end(), average.begin(), average.end());
    }
  }
  CHECK(relative_error(out, want) < 3e-6);
}

TEST_CASE("a part of a head turns, by halves or interleaved, by rows of the table of its own") {
  Fixture f;
  for (const bool interleaved : {false, true}) {
    for (const int rotary_dim : {0, 2, 10, 24, 40}) {
      CAPTURE(interleaved);
      CAPTURE(rotary_dim);
      check_prompt(f, {.shape = {.num_heads = 2, .num_kv_heads = 1, .head_dim = 40, .scale = 0.16F},
                       .rotary_dim = rotary_dim,
                       .interleaved = interleaved,
                       .length = 140});
    }
  }
}

TEST_CASE(
    "windows, caps, sinks and ALiBi match double precision, pages behind windows given back") {
  Fixture f;
  std::vector<float> sinks = {0.5F, -2.0F, 30.0F, 1.0F};
  std::vector<float> slopes = {0.5F, 0.25F, 0.0F, 0.0625F};
  for (const int window : {0, 1, 2, 127, 128, 129, 200, 299, 300, 5000}) {
    for (const bool has_sinks : {false, true}) {
      for (const bool has_scores : {false, true}) {
        CAPTURE(window);
        CAPTURE(has_sinks);
        CAPTURE(has_scores);
        AttentionShape shape{.num_heads = 4, .num_kv_heads = 2, .head_dim = 24, .scale = 0.3F};
        shape.window = window;
        if (has_sinks) shape.sinks = view(sinks, {4});
        if (has_scores) shape.softcap = 3.0F;
        if (has_scores) shape.alibi_slopes = view(slopes, {4});
        check_prompt(f, {.shape = shape});
      }
    }
  }
}

TEST_CASE("rope_append with a norm is qk_norm before it") {
  Fixture f;
  const AttentionShape shape{.num_heads = 4, .num_kv_heads = 2, .head_dim = 24};
  constexpr int64_t kWidth = 8 * 24;
  const std::vector<int32_t> positions = {0, 1, 2};
  const std::vector<int32_t> slots = {0, 0, 0};
  const std::vector<int32_t> pages = {0};
  ForwardBatch batch;
  batch.num_tokens = 3;
  batch.positions = positions.data();
  batch.token_slots = slots.data();
  batch.block_tables = pages.data();
  batch.block_table_stride = 1;
  auto angles = f.random(3 * 24);
  const RopeTable rope = {view(angles, {3, 12, 2})};
  auto weight = f.random(24);
  const Norm each = {.eps = 1e-6F, .weight = view(weight, {24})};
  const QkNorm norm = {each, each, 24, 24};
  const auto tokens = f.random(3 * kWidth);
  const auto run = [&](bool in_one) {
    auto qkv = tokens;
    std::vector<float> keys(2 * kPageSize * 24);
    std::vector<float> values(keys.size());
    const KvLayer kv = {view(keys, {1, 2, kPageSize, 24}), view(values, {1, 2, kPageSize, 24})};
    if (!in_one) ops::qk_norm(f.ctx, view(qkv, {3, kWidth}), shape, norm);
    ops::rope_append(f.ctx, view(qkv, {3, kWidth}), kv, batch, shape, rope,
                     in_one ? norm : QkNorm{});
    qkv.insert(qkv.end(), keys.begin(), keys.end());
    qkv.insert(qkv.end(), values.begin(), values.end());
    return qkv;
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("an operation refuses weights and tables that do not fit") {
  Fixture f;
  auto values = f.random(2 * 96);
  const AttentionShape shape{.num_heads = 2, .num_kv_heads = 1, .head_dim = 24};
  const TensorView qkv = view(values, {2, 96});
  const Norm norm = {.weight = view(values, {24})};
  CHECK_THROWS_AS(ops::norm(f.ctx, qkv, qkv, norm), Error);
  CHECK_THROWS_AS(ops::norm_residual(f.ctx, qkv, norm), Error);
  CHECK_THROWS_AS(ops::qk_norm(f.ctx, qkv, shape, {norm, norm, 24, 0}), Error);
  CHECK_THROWS_AS(ops::qk_norm(f.ctx, qkv, shape, {norm, {.kind = NormKind::kNone}, 24, 24}),
                  Error);
  CHECK_THROWS_AS(ops::post_norm_add_norm(f.ctx, qkv, qkv, qkv, norm, {}), Error);
  CHECK_THROWS_AS(ops::qk_norm(f.ctx, qkv, shape, {norm, norm, 32, 24}), Error);
  CHECK_THROWS_AS(ops::qk_norm(f.ctx, qkv, shape, {norm, {.weight = view(values, {9})}, 24, 24}),
                  Error);
}

}  // namespace
}  // namespace eet::test
