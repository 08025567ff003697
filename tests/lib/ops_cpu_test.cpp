// The CPU operations against straightforward double precision, and the promise that a row's bits do
// not depend on its batch.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <numbers>
#include <random>
#include <vector>

#include "lib/ops/cpu/gemm.h"
#include "lib/ops/ops.h"
#include "tests/lib/op_reference.h"

using namespace eet;
using test::relative_error;
using test::view;

namespace {

class Fixture {
 public:
  explicit Fixture(int threads = 2) : pool_(threads) {}
  Context ctx{.device = {}, .pool = &pool_};

  std::vector<float> random(int64_t count, float scale = 1.0F) {
    std::normal_distribution<float> normal(0.0F, scale);
    std::vector<float> values(count);
    for (float& v : values) v = normal(generator_);
    return values;
  }

 private:
  ThreadPool pool_;
  std::mt19937 generator_{42};
};

struct Product {
  std::vector<float> panels;
  LinearWeight weight;
};

Product make_product(const Context& ctx, const std::vector<float>& matrix, int64_t out,
                     int64_t in) {
  Product product;
  product.panels.resize(ops::cpu::panel_elements(out, in));
  ops::cpu::pack_panels(*ctx.pool, product.panels.data(), matrix.data(), DType::kF32, out, in);
  product.weight.data = view(product.panels, {static_cast<int64_t>(product.panels.size())});
  product.weight.in_features = in;
  product.weight.out_features = product.weight.padded_out = out;
  return product;
}

}  // namespace

TEST_CASE("linear matches double precision, and a row's bits do not depend on its batch") {
  Fixture f;
  struct Size {
    int64_t out, in;
  };
  for (const Size size :
       {Size{768, 768}, Size{111, 111}, Size{3, 48}, Size{257, 3072}, Size{1, 1}}) {
    const int64_t out = size.out;
    const int64_t in = size.in;
    CAPTURE(out);
    CAPTURE(in);
    const int64_t rows = 61;
    auto matrix = f.random(out * in);
    auto x = f.random(rows * in);
    auto bias = f.random(out);
    Product product = make_product(f.ctx, matrix, out, in);
    std::vector<float> all(rows * out, std::nanf(""));
    ops::linear(f.ctx, view(all, {rows, out}), view(x, {rows, in}), product.weight,
                view(bias, {out}));
    std::vector<double> want(rows * out);
    for (int64_t m = 0; m < rows; ++m) {
      for (int64_t n = 0; n < out; ++n) {
        double sum = bias[n];
        for (int64_t k = 0; k < in; ++k) sum += double{x[m * in + k]} * matrix[n * in + k];
        want[m * out + n] = sum;
      }
    }
    CHECK(relative_error(all, want) < 1e-6);
    for (int64_t count = 1; count <= 40; ++count) {
      const int64_t first = count % 20;
      std::vector<float> some(count * out);
      std::vector<float> part(x.begin() + first * in, x.begin() + (first + count) * in);
      ops::linear(f.ctx, view(some, {count, out}), view(part, {count, in}), product.weight,
                  view(bias, {out}));
      CHECK(std::memcmp(some.data(), all.data() + first * out, some.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("add_norm adds, normalises and picks rows, the same one twice too") {
  Fixture f;
  for (const int64_t hidden : {1, 111, 768, 1600}) {
    for (const NormKind kind : {NormKind::kRmsNorm, NormKind::kLayerNorm}) {
      const int64_t tokens = 5;
      const std::vector<int32_t> rows = {4, 0, 4};
      auto residual = f.random(tokens * hidden);
      for (float& value : residual) value += 3.0F;
      auto delta = f.random(tokens * hidden);
      auto weight = f.random(hidden);
      auto bias = f.random(hidden);
      const Norm norm = {.kind = kind,
                         .eps = 1e-5F,
                         .weight = view(weight, {hidden}),
                         .bias = view(bias, {hidden})};
      const auto before = residual;
      std::vector<float> out(3 * hidden, std::nanf(""));
      ops::add_norm(f.ctx, view(out, {3, hidden}), view(residual, {tokens, hidden}),
                    view(delta, {tokens, hidden}), norm, 1, rows.data());
      std::vector<double> want;
      for (const int32_t t : rows) {
        std::vector<double> x(hidden);
        double mean = 0;
        double variance = 0;
        for (int64_t i = 0; i < hidden; ++i) {
          x[i] = double{before[t * hidden + i]} + delta[t * hidden + i];
          mean += x[i] / static_cast<double>(hidden);
        }
        if (kind == NormKind::kRmsNorm) mean = 0;
        for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(hidden);
        for (int64_t i = 0; i < hidden; ++i) {
          want.push_back((x[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + bias[i]);
        }
      }
      CHECK(relative_error(out, want) < 2e-6);
      CHECK(residual == before);  // only without a row list it takes up the sum

      std::vector<float> all(tokens * hidden);
      ops::add_norm(f.ctx, view(all, {tokens, hidden}), view(residual, {tokens, hidden}),
                    view(delta, {tokens, hidden}), norm);
      for (size_t i = 0; i < rows.size(); ++i) {
        const auto row = all.begin() + rows[i] * hidden;
        CHECK(std::equal(row, row + hidden, out.begin() + static_cast<std::ptrdiff_t>(i) * hidden));
      }
      for (int64_t i = 0; i < tokens * hidden; ++i) CHECK(residual[i] == before[i] + delta[i]);
    }
  }
}

TEST_CASE("activations match double precision") {
  Fixture f;
  const int64_t n = 333;
  auto x = f.random(2 * n, 4.0F);
  for (const Activation kind : {Activation::kSilu, Activation::kGeluTanh, Activation::kGeluErf}) {
    const auto reference = [kind](double v) {
      if (kind == Activation::kSilu) return v / (1 + std::exp(-v));
      if (kind == Activation::kGeluErf) return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
      return 0.5 * v *
             (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v)));
    };
    std::vector<float> gated(n, std::nanf(""));
    ops::activation(f.ctx, view(gated, {1, n}), view(x, {1, 2 * n}), kind, true);
    std::vector<float> plain(2 * n, std::nanf(""));
    ops::activation(f.ctx, view(plain, {1, 2 * n}), view(x, {1, 2 * n}), kind, false);
    std::vector<double> want_gated;
    std::vector<double> want_plain;
    for (int64_t i = 0; i < n; ++i) want_gated.push_back(reference(x[i]) * x[n + i]);
    for (int64_t i = 0; i < 2 * n; ++i) want_plain.push_back(reference(x[i]));
    CHECK(relative_error(gated, want_gated) < 1e-6);
    CHECK(relative_error(plain, want_plain) < 1e-6);
  }
}

TEST_CASE("rope and attention over pages match double precision, with everything unused poisoned") {
  Fixture f;
  struct Case {
    int heads, kv_heads, dim;
  };
  for (const Case& test_case : {Case{3, 3, 64}, Case{6, 2, 80}, Case{7, 1, 8}, Case{2, 2, 256}}) {
    const int heads = test_case.heads;
    const int kv_heads = test_case.kv_heads;
    const int dim = test_case.dim;
    CAPTURE(heads);
    CAPTURE(dim);
    const AttentionShape shape{heads, kv_heads, dim, 1.0F / std::sqrt(static_cast<float>(dim))};
    const int64_t length = 300;  // three pages, the last one partly used
    const int64_t width = static_cast<int64_t>(heads + 2 * kv_heads) * dim;
    const std::vector<int32_t> table = {4, 0, 2, 1'000'000};
    const float nan = std::nanf("");
    std::vector<float> keys(5 * kv_heads * kPageSize * dim, nan);
    std::vector<float> values = keys;
    const KvLayer kv{view(keys, {5, kv_heads, kPageSize, dim}),
                     view(values, {5, kv_heads, kPageSize, dim})};
    auto qkv = f.random(length * width);
    const auto before = qkv;
    std::vector<float> rope(length * dim);
    for (int64_t p = 0; p < length; ++p) {
      for (int i = 0; i < dim / 2; ++i) {
        const double angle = static_cast<double>(p) * std::pow(10000.0, -2.0 * i / dim);
        rope[p * dim + 2 * i] = static_cast<float>(std::cos(angle));
        rope[p * dim + 2 * i + 1] = static_cast<float>(std::sin(angle));
      }
    }
    std::vector<int32_t> positions(length);
    for (int64_t p = 0; p < length; ++p) positions[p] = static_cast<int32_t>(p);
    const std::vector<int32_t> slots(length, 0);
    ForwardBatch batch;
    batch.num_tokens = static_cast<int>(length);
    batch.num_rows = 1;
    batch.max_context_len = static_cast<int>(length);
    batch.positions = positions.data();
    batch.token_slots = slots.data();
    batch.block_tables = table.data();
    batch.block_table_stride = 4;
    std::vector<float> out(length * heads * dim, nan);
    const TensorView qkv_view = view(qkv, {length, width});
    ops::rope_append(f.ctx, qkv_view, kv, batch, shape, {view(rope, {length, dim / 2, 2})});
    ops::attention(f.ctx, view(out, {length, static_cast<int64_t>(heads) * dim}), qkv_view, kv,
                   batch, shape, {});

    const auto rotated = [&](int64_t p, int head, int i) {
      const float* x = before.data() + p * width + head * dim;
      const int half = dim / 2;
      const int pair = i % half;
      const double c = rope[p * dim + 2 * pair];
      const double s = rope[p * dim + 2 * pair + 1];
      return i < half ? x[i] * c - x[i + half] * s : x[i] * c + x[i - half] * s;
    };
    std::vector<double> want;
    std::vector<float> got;
    for (const int64_t p : {int64_t{0}, int64_t{1}, int64_t{127}, int64_t{128}, int64_t{299}}) {
      for (int h = 0; h < heads; ++h) {
        const int kv_head = h / (heads / kv_heads);
        std::vector<double> weights;
        double total = 0;
        for (int64_t j = 0; j <= p; ++j) {
          double score = 0;
          for (int i = 0; i < dim; ++i) score += rotated(p, h, i) * rotated(j, heads + kv_head, i);
          weights.push_back(std::exp(score * shape.scale));
          total += weights.back();
        }
        for (int i = 0; i < dim; ++i) {
          double sum = 0;
          for (int64_t j = 0; j <= p; ++j) {
            sum += weights[j] / total * before[j * width + (heads + kv_heads + kv_head) * dim + i];
          }
          want.push_back(sum);
          got.push_back(out[(p * heads + h) * dim + i]);
        }
      }
    }
    CHECK(relative_error(got, want) < 2e-6);
  }
}

TEST_CASE("embed adds positions and gives zeros for pads, from any type of table") {
  Fixture f;
  const int64_t hidden = 20;
  auto tokens = f.random(7 * hidden);
  auto places = f.random(4 * hidden);
  std::vector<uint16_t> half(tokens.size());
  convert_elements(half.data(), DType::kBF16, tokens.data(), DType::kF32, tokens.size());
  const std::vector<int32_t> ids = {6, 0, 3};
  const std::vector<int32_t> positions = {3, -1, 0};
  std::vector<float> out(3 * hidden, std::nanf(""));
  ops::embed(f.ctx, view(out, {3, hidden}), ids.data(), positions.data(),
             TensorView(half.data(), DType::kBF16, {7, hidden}), view(places, {4, hidden}));
  for (int64_t i = 0; i < hidden; ++i) {
    CHECK(out[i] == bf16_to_f32(half[6 * hidden + i]) + places[3 * hidden + i]);
    CHECK(out[hidden + i] == 0.0F);
    CHECK(out[2 * hidden + i] == bf16_to_f32(half[3 * hidden + i]) + places[i]);
  }
}
