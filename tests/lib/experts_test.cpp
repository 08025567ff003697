// The operations of a mixture of experts on the CPU: against double precision, torch's ties, and
// the promise that a row's bits do not depend on its batch.
#include "lib/ops/experts.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "lib/ops/cpu/gemm.h"
#include "tests/lib/op_reference.h"

using namespace eet;
using test::relative_error;
using test::view;

namespace {

std::mt19937& generator() {
  static std::mt19937 generator{7};
  return generator;
}

std::vector<float> random(int64_t count, float scale = 1.0F) {
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(count);
  for (float& v : values) v = normal(generator());
  return values;
}

// A layer's experts, plain and packed.
struct Layer {
  int num_experts;
  int top_k;
  int64_t hidden;
  int64_t width;
  ExpertActivation activation = {};
  int64_t up_size() const { return width * (activation.gated ? 2 : 1); }
  std::vector<float> up = random(num_experts * up_size() * hidden, 0.3F);
  std::vector<float> up_bias = random(num_experts * up_size());
  std::vector<float> down = random(num_experts * hidden * width, 0.3F);
  std::vector<float> down_bias = random(num_experts * hidden);
};

std::vector<float> pack(const Context& ctx, const std::vector<float>& matrices, int64_t count,
                        int64_t out, int64_t in) {
  const int64_t size = ops::cpu::panel_elements(out, in);
  std::vector<float> panels(count * size);
  for (int64_t e = 0; e < count; ++e) {
    ops::cpu::pack_panels(*ctx.pool, panels.data() + e * size, matrices.data() + e * out * in,
                          DType::kF32, out, in);
  }
  return panels;
}

// What a pass leaves.
struct Pass {
  std::vector<int32_t> experts;
  std::vector<float> weights;
  std::vector<float> out;
};

struct Input {
  std::vector<float> x;
  std::vector<float> logits;
  std::vector<int32_t> positions;
  std::vector<float> shared = {};
  std::vector<float> shared_gate = {};
  int64_t rows() const { return static_cast<int64_t>(positions.size()); }
};

class Fixture {
 public:
  Pass run(const Layer& layer, RouterRules rules, Input input) const {
    rules.num_experts = layer.num_experts;
    rules.top_k = layer.top_k;
    const int64_t rows = input.rows();
    const int64_t pairs = rows * layer.top_k;
    std::vector<char> memory(ops::expert_groups_bytes(layer.num_experts, layer.top_k, rows));
    const ExpertGroups groups =
        ops::expert_groups(memory.data(), layer.num_experts, layer.top_k, rows);
    std::vector<float> up = pack(ctx, layer.up, layer.num_experts, layer.up_size(), layer.hidden);
    std::vector<float> down = pack(ctx, layer.down, layer.num_experts, layer.hidden, layer.width);
    std::vector<float> up_bias = layer.up_bias;
    std::vector<float> down_bias = layer.down_bias;
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> activated(pairs * layer.width, kNan);
    std::vector<float> expert_out(pairs * layer.hidden, kNan);
    std::vector<float> gathered(pairs * layer.hidden, kNan);
    std::vector<float> product(pairs * std::max(layer.up_size(), layer.hidden), kNan);
    Pass pass;
    pass.out.assign(rows * layer.hidden, kNan);
    const auto weight = [&](std::vector<float>& data, int64_t in, int64_t out) {
      return ExpertWeight{.data = view(data, {static_cast<int64_t>(data.size())}),
                          .num_experts = layer.num_experts,
                          .in_features = in,
                          .out_features = out};
    };
    ops::route(ctx, groups, view(input.logits, {rows, layer.num_experts}), {},
               input.positions.data(), rules);
    ops::experts_up(ctx, view(activated, {pairs, layer.width}), view(input.x, {rows, layer.hidden}),
                    groups, weight(up, layer.hidden, layer.up_size()),
                    view(up_bias, {layer.num_experts, layer.up_size()}), layer.activation,
                    {.gathered = view(gathered, {pairs, layer.hidden}),
                     .product = view(product, {pairs, layer.up_size()})});
    ops::experts_down(
        ctx, view(expert_out, {pairs, layer.hidden}), view(activated, {pairs, layer.width}), groups,
        weight(down, layer.width, layer.hidden), view(down_bias, {layer.num_experts, layer.hidden}),
        {.product = view(product, {pairs, layer.hidden})});
    SharedExpert shared;
    if (!input.shared.empty()) shared.out = view(input.shared, {rows, layer.hidden});
    if (!input.shared_gate.empty()) shared.gate = view(input.shared_gate, {rows, 1});
    ops::combine_experts(ctx, view(pass.out, {rows, layer.hidden}),
                         view(expert_out, {pairs, layer.hidden}), groups, shared);
    pass.experts.assign(groups.experts, groups.experts + pairs);
    pass.weights.assign(groups.weights, groups.weights + pairs);
    return pass;
  }

  // Chosen ids and weights alone.
  Pass choose(RouterRules rules, std::vector<float> logits,
              std::vector<float> selection_bias = {}) const {
    std::vector<char> memory(ops::expert_groups_bytes(rules.num_experts, rules.top_k, 1));
    const ExpertGroups groups =
        ops::expert_groups(memory.data(), rules.num_experts, rules.top_k, 1);
    const int32_t position = 0;
    ops::route(ctx, groups, view(logits, {1, static_cast<int64_t>(logits.size())}),
               selection_bias.empty() ? TensorView() : view(selection_bias, {rules.num_experts}),
               &position, rules);
    return {{groups.experts, groups.experts + rules.top_k},
            {groups.weights, groups.weights + rules.top_k},
            {}};
  }

 private:
  mutable ThreadPool pool_{2};

 public:
  Context ctx{.device = {}, .pool = &pool_};
};

Input random_input(const Layer& layer, int64_t rows) {
  Input input;
  input.x = random(rows * layer.hidden);
  input.logits = random(rows * layer.num_experts);
  input.positions.resize(rows);
  std::iota(input.positions.begin(), input.positions.end(), 0);
  return input;
}

// The reference of one row: experts of its Pass, everything else in double precision.
std::vector<double> reference_row(const Layer& layer, const Pass& pass, const Input& input,
                                  int64_t row) {
  std::vector<double> sum(layer.hidden, 0.0);
  const float* x = input.x.data() + row * layer.hidden;
  for (int slot = 0; slot < layer.top_k; ++slot) {
    const int64_t e = pass.experts[row * layer.top_k + slot];
    const auto product = [&](int64_t i) {
      double y = layer.up_bias[e * layer.up_size() + i];
      const float* w = layer.up.data() + (e * layer.up_size() + i) * layer.hidden;
      for (int64_t k = 0; k < layer.hidden; ++k) y += double{x[k]} * w[k];
      return y;
    };
    std::vector<double> activated(layer.width);
    for (int64_t i = 0; i < layer.width; ++i) {
      double gate = product(i);
      double up = layer.activation.gated ? product(layer.width + i) : 1;
      const double limit = layer.activation.swiglu_limit;
      if (limit > 0) {
        gate = std::min(gate, limit);
        up = std::clamp(up, -limit, limit);
        activated[i] = (up + 1) * gate / (1 + std::exp(-1.702 * gate));
      } else {
        activated[i] = test::activated(layer.activation.kind, gate) * up;
      }
    }
    for (int64_t i = 0; i < layer.hidden; ++i) {
      double y = layer.down_bias[e * layer.hidden + i];
      const float* w = layer.down.data() + (e * layer.hidden + i) * layer.width;
      for (int64_t k = 0; k < layer.width; ++k) y += activated[k] * w[k];
      sum[i] += pass.weights[row * layer.top_k + slot] * y;
    }
  }
  if (!input.shared.empty()) {
    const double gate =
        input.shared_gate.empty() ? 1 : 1 / (1 + std::exp(-double{input.shared_gate[row]}));
    for (int64_t i = 0; i < layer.hidden; ++i) {
      sum[i] += gate * input.shared[row * layer.hidden + i];
    }
  }
  return sum;
}

// Scores with ties, as make_top_k_goldens.py draws them.
std::vector<ScoredExpert> golden_scores(int count, uint64_t levels, uint64_t seed) {
  std::vector<ScoredExpert> scored;
  for (int i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    scored.push_back({static_cast<float>((seed >> 33) % levels), i});
  }
  return scored;
}

}  // namespace

TEST_CASE("experts are chosen as torch.topk chooses among equal scores") {
  std::ifstream file(EET_SOURCE_DIR "/tests/lib/top_k_goldens.txt");
  std::string line;
  int lines = 0;
  while (std::getline(file, line)) {
    CAPTURE(line);
    std::istringstream words(line);
    int count = 0;
    int k = 0;
    uint64_t levels = 0;
    uint64_t seed = 0;
    words >> count >> k >> levels >> seed;
    std::vector<ScoredExpert> scored = golden_scores(count, levels, seed);
    select_top_k(scored.data(), count, k);
    for (int i = 0; i < k; ++i) {
      int32_t expert = -1;
      words >> expert;
      CHECK(scored[i].expert == expert);
    }
    ++lines;
  }
  CHECK(lines == 110);
}

TEST_CASE("experts are chosen as the standard library's algorithms choose") {
  const auto is_before = [](const ScoredExpert& a, const ScoredExpert& b) {
    return a.score > b.score;
  };
  uint64_t seed = 1;
  for (int count = 1; count <= 512; count += count < 70 ? 1 : 17) {
    for (int k = 1; k <= std::min(count, kMaxTopK); ++k) {
      const uint64_t levels = 1 + seed % 40;
      std::vector<ScoredExpert> scored = golden_scores(count, levels, ++seed);
      std::vector<ScoredExpert> expected = scored;
      if (k * 64 <= count) {
        std::partial_sort(expected.begin(), expected.begin() + k, expected.end(), is_before);
      } else {
        std::nth_element(expected.begin(), expected.begin() + k - 1, expected.end(), is_before);
        std::sort(expected.begin(), expected.begin() + k - 1, is_before);
      }
      select_top_k(scored.data(), count, k);
      CAPTURE(count);
      CAPTURE(k);
      CHECK(std::equal(
          scored.begin(), scored.begin() + k, expected.begin(),
          [](const ScoredExpert& a, const ScoredExpert& b) { return a.expert == b.expert; }));
    }
  }
}

TEST_CASE("the weights of chosen experts follow the router's rules") {
  const Fixture f;
  const std::vector<float> logits{1.0F, 3.0F, -2.0F, 2.0F};
  const double e1 = std::exp(1.0);
  const double e2 = std::exp(2.0);
  const double e3 = std::exp(3.0);
  const double all = e1 + e2 + e3 + std::exp(-2.0);
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  RouterRules rules{.num_experts = 4, .top_k = 2};
  const auto check = [&](const Pass& pass, std::vector<int32_t> experts, double first,
                         double second) {
    CHECK(pass.experts == experts);
    CHECK(pass.weights[0] == doctest::Approx(first).epsilon(1e-6));
    CHECK(pass.weights[1] == doctest::Approx(second).epsilon(1e-6));
  };
  SUBCASE("softmax over all") {
    check(f.choose(rules, logits), {1, 3}, e3 / all, e2 / all);
  }
  SUBCASE("softmax over all, normalised and scaled") {
    rules.normalise = true;
    rules.scale = 2.5F;
    check(f.choose(rules, logits), {1, 3}, 2.5 * e3 / (e3 + e2), 2.5 * e2 / (e3 + e2));
  }
  SUBCASE("softmax over the chosen") {
    rules.scores = RouterScores::kTopKSoftmax;
    check(f.choose(rules, logits), {1, 3}, e3 / (e3 + e2), e2 / (e3 + e2));
  }
  SUBCASE("sigmoid, with a bias that counts in the choice alone") {
    rules.scores = RouterScores::kSigmoid;
    const Pass pass = f.choose(rules, logits, {0, 0, 5, 0});
    check(pass, {2, 1}, sigmoid(-2), sigmoid(3));
  }
  SUBCASE("columns past the last expert do not count") {
    std::vector<float> padded = logits;
    padded.push_back(100);
    check(f.choose(rules, padded), {1, 3}, e3 / all, e2 / all);
  }
}

TEST_CASE("a row with a NaN or infinite logits chooses distinct experts") {
  const Fixture f;
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const RouterScores scores :
       {RouterScores::kSoftmax, RouterScores::kTopKSoftmax, RouterScores::kSigmoid}) {
    const RouterRules rules{.scores = scores, .num_experts = 4, .top_k = 3};
    for (const std::vector<float>& logits : {std::vector<float>{nan, 1, 2, 3},
                                             {nan, nan, nan, nan},
                                             {inf, inf, 0, 1},
                                             {-inf, -inf, -inf, -inf}}) {
      std::vector<int32_t> experts = f.choose(rules, logits).experts;
      std::sort(experts.begin(), experts.end());
      CHECK(std::adjacent_find(experts.begin(), experts.end()) == experts.end());
      CHECK(experts.front() >= 0);
      CHECK(experts.back() < 4);
    }
  }
}

TEST_CASE("a mixture of experts matches double precision, and a row's bits are its own") {
  const Fixture f;
  const std::vector<Layer> layers = [] {
    std::vector<Layer> made;
    made.push_back({.num_experts = 8, .top_k = 2, .hidden = 48, .width = 40});
    made.push_back({.num_experts = 5, .top_k = 5, .hidden = 33, .width = 7});
    made.push_back({.num_experts = 16,
                    .top_k = 4,
                    .hidden = 64,
                    .width = 24,
                    .activation = {.kind = Activation::kGeluTanh}});
    made.push_back({.num_experts = 4,
                    .top_k = 1,
                    .hidden = 16,
                    .width = 32,
                    .activation = {.kind = Activation::kReluSquared, .gated = false}});
    made.push_back({.num_experts = 8,
                    .top_k = 4,
                    .hidden = 32,
                    .width = 48,
                    .activation = {.swiglu_limit = 1.5F}});
    return made;
  }();
  for (const Layer& layer : layers) {
    const int num_experts = layer.num_experts;
    CAPTURE(num_experts);
    const int64_t rows = 37;
    Input input = random_input(layer, rows);
    input.shared = random(rows * layer.hidden);
    input.shared_gate = random(rows);
    const RouterRules rules{.normalise = true};
    const Pass all = f.run(layer, rules, input);
    std::vector<double> want;
    for (int64_t row = 0; row < rows; ++row) {
      const std::vector<double> y = reference_row(layer, all, input, row);
      want.insert(want.end(), y.begin(), y.end());
    }
    CHECK(relative_error(all.out, want) < 1e-5);

    for (const int64_t row : {0, 1, 36}) {
      const auto part = [&](const std::vector<float>& values) {
        const auto size = static_cast<int64_t>(values.size()) / rows;
        return std::vector<float>(values.begin() + row * size, values.begin() + (row + 1) * size);
      };
      const Pass alone = f.run(layer, rules,
                               {.x = part(input.x),
                                .logits = part(input.logits),
                                .positions = {5},
                                .shared = part(input.shared),
                                .shared_gate = part(input.shared_gate)});
      CHECK(alone.out == part(all.out));
    }
  }
}

TEST_CASE("idle rows choose no expert and have the shared expert's part alone") {
  const Fixture f;
  const Layer layer{.num_experts = 8, .top_k = 2, .hidden = 16, .width = 8};
  Input input = random_input(layer, 6);
  const Pass busy = f.run(layer, {}, input);
  for (const int64_t row : {0, 3, 5}) {
    input.positions[row] = -1;
    std::fill_n(input.logits.begin() + row * 8, 8, std::numeric_limits<float>::quiet_NaN());
    std::fill_n(input.x.begin() + row * 16, 16, std::numeric_limits<float>::quiet_NaN());
  }
  const Pass pass = f.run(layer, {}, input);
  for (int64_t row = 0; row < 6; ++row) {
    const bool idle = input.positions[row] < 0;
    for (int64_t i = row * 16; i < (row + 1) * 16; ++i) {
      CHECK(pass.out[i] == (idle ? 0.0F : busy.out[i]));
    }
    CHECK((pass.experts[row * 2] < 0) == idle);
  }
  input.shared.assign(6 * 16, 1.5F);
  CHECK(f.run(layer, {}, input).out[0] == 1.5F);
}

TEST_CASE("pairs are sorted by expert in the order of rows, into tiles that cover them") {
  ThreadPool pool(2);
  const Context ctx{.device = {}, .pool = &pool};
  const RouterRules rules{.num_experts = 7, .top_k = 3};
  const int64_t rows = 50;
  std::vector<float> logits = random(rows * 7);
  const std::vector<int32_t> positions(rows, 0);
  std::vector<char> memory(ops::expert_groups_bytes(7, 3, rows));
  const ExpertGroups groups = ops::expert_groups(memory.data(), 7, 3, rows);
  ops::route(ctx, groups, view(logits, {rows, 7}), {}, positions.data(), rules);
  std::vector<int32_t> sorted(rows * 3);
  std::iota(sorted.begin(), sorted.end(), 0);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](int a, int b) { return groups.experts[a] < groups.experts[b]; });
  CHECK(std::equal(sorted.begin(), sorted.end(), groups.pairs));
  CHECK(groups.offsets[0] == 0);
  CHECK(groups.offsets[7] == rows * 3);
  for (int e = 0; e < 7; ++e) {
    CHECK(groups.offsets[e + 1] - groups.offsets[e] ==
          std::count(groups.experts, groups.experts + rows * 3, e));
  }
}

TEST_CASE("the memory for groups holds those of every smaller pass") {
  for (const int experts : {1, 8, 60, 128, 512}) {
    for (const int top_k : {1, 2, 8, 16}) {
      for (const int64_t max_rows : {1, 7, 64, 300}) {
        const size_t bytes = ops::expert_groups_bytes(experts, top_k, max_rows);
        std::vector<char> memory(bytes);
        for (int64_t rows = 0; rows <= max_rows; ++rows) {
          const ExpertGroups groups = ops::expert_groups(memory.data(), experts, top_k, rows);
          const auto* end = reinterpret_cast<const char*>(groups.pairs + groups.num_pairs());
          CHECK(end <= memory.data() + bytes);
        }
      }
    }
  }
}
