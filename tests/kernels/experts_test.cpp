// Which experts rows choose, how their pairs are grouped and what they add up to: the GPU against
// the CPU.
#include <algorithm>
#include <cmath>
#include <limits>

#include "lib/cuda/cuda_graph.h"
#include "tests/kernels/experts_parts.h"

namespace eet::test {
namespace {

struct Routing {
  int num_experts;
  int top_k;
  int64_t rows;
};
constexpr Routing kRoutings[] = {{1, 1, 3},     {2, 1, 9},    {8, 2, 130},   {16, 16, 5},
                                 {33, 4, 17},   {60, 4, 64},  {64, 8, 1},    {128, 8, 300},
                                 {512, 10, 40}, {512, 16, 7}, {128, 1, 257}, {40, 8, 2100}};

// Both devices' groups of the same logits, with checks that they are equal.
void check_route(Devices& devices, const Routing& routing, const RouterRules& rules,
                 const std::vector<float>& logits, int64_t stride,
                 const std::vector<float>& selection_bias, const std::vector<int32_t>& positions) {
  const auto& [num_experts, top_k, rows] = routing;
  const int64_t pairs = rows * top_k;
  std::vector<std::vector<int32_t>> experts;
  std::vector<std::vector<float>> weights;
  std::vector<std::vector<int32_t>> offsets;
  std::vector<std::vector<int32_t>> sorted;
  for (const Context* ctx : {&devices.cpu, &devices.cuda}) {
    const GroupsMemory memory(*ctx, num_experts, top_k, rows);
    const ExpertGroups groups = memory.groups(rows);
    const Tensor logits_tensor(*ctx, DType::kF32, {rows, stride}, logits);
    const Tensor positions_tensor(*ctx, {rows}, positions);
    const Tensor bias(*ctx, DType::kF32, {num_experts},
                      selection_bias.empty() ? std::vector<float>(num_experts) : selection_bias);
    ops::route(*ctx, groups, logits_tensor, selection_bias.empty() ? TensorView() : bias.view(),
               positions_tensor.as<int32_t>(), rules);
    experts.push_back(memory.read(groups.experts, pairs));
    weights.push_back(memory.read(groups.weights, pairs));
    offsets.push_back(memory.read(groups.offsets, num_experts + 1));
    sorted.push_back(memory.read(groups.pairs, offsets.back().back()));
    memory.check_guards();
    if (!ctx->on_cuda()) continue;

    // The tiles are the sorted pairs of each expert, cut.
    const int num_tiles = memory.read(groups.num_tiles, 1)[0];
    REQUIRE(num_tiles <= groups.max_tiles());
    int next = 0;
    for (const ExpertTile& tile : memory.read(groups.tiles, num_tiles)) {
      CHECK(tile.begin == next);
      CHECK(tile.count > 0);
      CHECK(tile.count <= groups.tile_rows);
      CHECK(offsets.back()[tile.expert] <= tile.begin);
      next = tile.begin + tile.count;
      CHECK(offsets.back()[tile.expert + 1] >= next);
      CHECK((tile.count == groups.tile_rows || offsets.back()[tile.expert + 1] == next));
    }
    CHECK(next == offsets.back().back());
  }
  CHECK(experts[0] == experts[1]);
  CHECK(offsets[0] == offsets[1]);
  CHECK(sorted[0] == sorted[1]);
  for (int64_t i = 0; i < pairs; ++i) {
    if (std::isnan(weights[0][i])) {
      CHECK(std::isnan(weights[1][i]));
    } else {
      CHECK(weights[1][i] == doctest::Approx(weights[0][i]).epsilon(1e-5));
    }
  }
}

}  // namespace

TEST_CASE("rows choose the same experts on the GPU as on the CPU") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const Routing& routing : kRoutings) {
    const int num_experts = routing.num_experts;
    const int64_t rows = routing.rows;
    CAPTURE(num_experts);
    CAPTURE(rows);
    for (const RouterScores scores :
         {RouterScores::kSoftmax, RouterScores::kTopKSoftmax, RouterScores::kSigmoid}) {
      const RouterRules rules{.scores = scores,
                              .num_experts = num_experts,
                              .top_k = routing.top_k,
                              .normalise = scores != RouterScores::kTopKSoftmax,
                              .scale = 2.5F};
      const int64_t stride = num_experts + 3;
      std::vector<int32_t> positions = positions_of(rows);
      for (int64_t row = 1; row < rows; row += 4) positions[row] = -1;
      const std::vector<float> bias =
          scores == RouterScores::kSigmoid ? random_values(num_experts, 3) : std::vector<float>();
      check_route(*devices, routing, rules, random_values(rows * stride, 1, 2.0F), stride, bias,
                  positions);
    }
  }
}

TEST_CASE("equal logits, NaN and infinities choose the same experts on the GPU as on the CPU") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const Routing& routing : kRoutings) {
    const int num_experts = routing.num_experts;
    CAPTURE(num_experts);
    const int64_t rows = routing.rows;
    std::vector<float> logits = random_values(rows * num_experts, 5, 2.0F);
    for (int64_t row = 0; row < rows; ++row) {
      // Rows of 1, 2, 3, ... distinct logits, among them zeros of both signs.
      const float levels = static_cast<float>(row % 7) * 0.5F;
      float* begin = logits.data() + row * num_experts;
      for (int e = 0; e < num_experts; ++e) begin[e] = std::round(begin[e] * levels);
      if (row % 5 == 4) begin[row % num_experts] = std::numeric_limits<float>::quiet_NaN();
      if (row % 11 == 10) std::fill_n(begin, num_experts, -std::numeric_limits<float>::infinity());
    }
    const RouterRules rules{
        .scores = RouterScores::kTopKSoftmax, .num_experts = num_experts, .top_k = routing.top_k};
    check_route(*devices, routing, rules, logits, num_experts, {}, positions_of(rows));
  }
}

TEST_CASE("groups of passes whose rows are all idle, or all choose one expert") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const Routing routing{.num_experts = 128, .top_k = 1, .rows = 9000};
  const RouterRules rules{.num_experts = 128, .top_k = 1};
  std::vector<float> logits(routing.rows * 128);
  for (int64_t row = 0; row < routing.rows; ++row) logits[row * 128 + 77] = 1.0F;
  check_route(*devices, routing, rules, logits, 128, {}, positions_of(routing.rows));
  check_route(*devices, routing, rules, logits, 128, {}, std::vector<int32_t>(routing.rows, -1));
}

TEST_CASE("what experts made adds up on the GPU as on the CPU, a row's bits its own") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const int64_t hidden : {64, 129, 2880}) {
      for (const int shared_kind : {0, 1, 2}) {
        CAPTURE(hidden);
        CAPTURE(shared_kind);
        const int64_t rows = 7;
        const int top_k = 3;
        std::vector<int32_t> positions = positions_of(rows);
        positions[2] = -1;
        const auto logits = random_values(rows * 5, 1);
        auto parts = rounded(random_values(rows * top_k * hidden, 2), type);
        // An idle row's parts are not read.
        std::fill_n(parts.begin() + 2 * top_k * hidden, top_k * hidden, std::nanf(""));
        const auto shared_values = rounded(random_values(rows * hidden, 3), type);
        const auto gates = random_values(rows * 2, 4);
        std::vector<std::vector<float>> results;
        for (const Context* ctx : {&devices->cpu, &devices->cuda}) {
          const DType stored = ctx->on_cuda() ? type : DType::kF32;
          const GroupsMemory memory(*ctx, 5, top_k, rows);
          const ExpertGroups groups = memory.groups(rows);
          const Tensor positions_tensor(*ctx, {rows}, positions);
          ops::route(*ctx, groups, Tensor(*ctx, DType::kF32, {rows, 5}, logits), {},
                     positions_tensor.as<int32_t>(), {.num_experts = 5, .top_k = top_k});
          const Tensor expert_out(*ctx, stored, {rows * top_k, hidden}, parts);
          const Tensor shared_out(*ctx, stored, {rows, hidden}, shared_values);
          const Tensor gate(*ctx, DType::kF32, {rows, 2}, gates);
          SharedExpert shared;
          if (shared_kind > 0) shared.out = shared_out;
          if (shared_kind > 1) shared.gate = gate;
          const Tensor out(*ctx, stored, {rows, hidden});
          ops::combine_experts(*ctx, out, expert_out, groups, shared);
          results.push_back(out.read());
        }
        CHECK(normalised_error(results[1], results[0]) < tolerance(type));
      }
    }
  }
}

TEST_CASE("choosing and grouping can be a graph whose inputs change") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const Context& ctx = devices->cuda;
  const int64_t rows = 40;
  const RouterRules rules{.num_experts = 32, .top_k = 4};
  const GroupsMemory memory(ctx, 32, 4, rows);
  const ExpertGroups groups = memory.groups(rows);
  Tensor logits(ctx, DType::kF32, {rows, 32}, random_values(rows * 32, 1));
  const Tensor positions(ctx, {rows}, positions_of(rows));
  const auto route = [&] { ops::route(ctx, groups, logits, {}, positions.as<int32_t>(), rules); };
  route();
  const CudaGraph graph(*ctx.cuda, route);
  for (const uint32_t seed : {2U, 3U}) {
    logits.write(random_values(rows * 32, seed));
    graph.launch(*ctx.cuda);
    const auto experts = memory.read(groups.experts, groups.num_pairs());
    const auto pairs = memory.read(groups.pairs, groups.num_pairs());
    const auto offsets = memory.read(groups.offsets, 33);
    route();
    CHECK(experts == memory.read(groups.experts, groups.num_pairs()));
    CHECK(pairs == memory.read(groups.pairs, groups.num_pairs()));
    CHECK(offsets == memory.read(groups.offsets, 33));
  }
}

}  // namespace eet::test
