// Times of a mixture of experts against ceilings measured in the same run. Not a test:
// ./experts_bench prints a table.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <vector>

#include "lib/core/memory.h"
#include "lib/cuda/cuda_context.h"
#include "lib/ops/experts.h"
#include "lib/ops/ops.h"
#include "tests/kernels/bench.cuh"

namespace eet {
namespace {

constexpr DType kType = DType::kBF16;
constexpr double kElementBytes = 2;

struct Shape {
  const char* name;
  int num_experts;
  int top_k;
  int64_t hidden;
  int64_t width;
};

// Experts chosen by several sets of random logits, so that those of one call are not in L2.
class Choices {
 public:
  Choices(const Context& ctx, const Shape& shape, int64_t rows)
      : ctx_(ctx), shape_(shape), rows_(rows) {
    std::vector<int32_t> positions(static_cast<size_t>(rows));
    std::iota(positions.begin(), positions.end(), 0);
    positions_ = upload_ints(ctx, positions);
    for (int i = 0; i < kSets; ++i) {
      logits_.push_back(allocate(ctx, static_cast<size_t>(rows) * shape.num_experts * 4, "logits"));
      ops::fill_normal(ctx, logits(i), 0.0F, 1.0F, static_cast<uint64_t>(i));
      memory_.push_back(
          allocate(ctx, ops::expert_groups_bytes(shape.num_experts, shape.top_k, rows), "groups"));
      route(i);
    }
    synchronize(ctx);
  }

  ExpertGroups groups(int i) const {
    return ops::expert_groups(memory_[i % kSets].data(), shape_.num_experts, shape_.top_k, rows_);
  }
  void route(int i) const {
    const RouterRules rules{
        .num_experts = shape_.num_experts, .top_k = shape_.top_k, .normalise = true};
    ops::route(ctx_, groups(i), logits(i), {}, positions_.as<int32_t>(), rules);
  }
  // Experts that a call reads, on average.
  double touched() const {
    double sum = 0;
    for (int i = 0; i < kSets; ++i) {
      std::vector<int32_t> offsets(static_cast<size_t>(shape_.num_experts) + 1);
      download(ctx_, offsets.data(), groups(i).offsets, offsets.size() * sizeof(int32_t));
      synchronize(ctx_);
      for (int e = 0; e < shape_.num_experts; ++e) sum += offsets[e + 1] > offsets[e] ? 1 : 0;
    }
    return sum / kSets;
  }

 private:
  static constexpr int kSets = 8;
  TensorView logits(int i) const {
    return {logits_[i % kSets].data(), DType::kF32, {rows_, shape_.num_experts}};
  }

  const Context& ctx_;
  Shape shape_;
  int64_t rows_;
  Buffer positions_;
  std::vector<Buffer> logits_;
  std::vector<Buffer> memory_;
};

class Bench {
 public:
  explicit Bench(const Context& ctx) : ctx_(ctx), ceilings_(measure_ceilings(ctx, kType)) {
    print_ceilings(ctx, ceilings_);
    std::printf("limit: the larger of bytes / read and flops / GEMM, of the experts touched\n");
    std::printf("%-14s %6s %8s %-8s %10s %9s %9s %6s\n", "shape", "rows", "touched", "step", "us",
                "GB/s", "TFLOP/s", "limit");
  }

  void run(const Shape& shape, int64_t rows) const {
    const int64_t pairs = rows * shape.top_k;
    const Rotated x(ctx_, kType, {rows, shape.hidden}, 1.0F);
    const Rotated activated(ctx_, kType, {pairs, shape.width}, 1.0F);
    const Rotated expert_out(ctx_, kType, {pairs, shape.hidden}, 1.0F);
    const Rotated out(ctx_, kType, {rows, shape.hidden}, 1.0F);
    const Rotated up_data(ctx_, kType, {shape.num_experts, 2 * shape.width, shape.hidden}, 0.02F);
    const Rotated down_data(ctx_, kType, {shape.num_experts, shape.hidden, shape.width}, 0.02F);
    const ExpertWeight up{up_data.view(0), shape.num_experts, shape.hidden, 2 * shape.width};
    const ExpertWeight down{down_data.view(0), shape.num_experts, shape.width, shape.hidden};
    const Choices choices(ctx_, shape, rows);
    const double touched = choices.touched();
    const auto print = [&](const char* step, double weights, double elements,
                           const std::function<void(int)>& call) {
      const double seconds = seconds_per_call(ctx_, call, rows > 1024 ? 8 : 48);
      const double bytes =
          kElementBytes * (touched * weights + static_cast<double>(rows) * elements);
      const double flops = 2.0 * static_cast<double>(pairs) * weights;
      const double limit =
          std::max(bytes / ceilings_.read_bytes_per_second, flops / ceilings_.flops_per_second);
      std::printf("%-14s %6lld %8.1f %-8s %10.2f %9.0f %9.1f %5.0f%%\n", shape.name,
                  static_cast<long long>(rows), touched, step, seconds * 1e6, bytes / seconds / 1e9,
                  flops / seconds / 1e12, 100 * limit / seconds);
    };
    const auto hidden = static_cast<double>(shape.hidden);
    const auto width = static_cast<double>(shape.width);
    const auto experts_up = [&](int i) {
      ops::experts_up(ctx_, activated.view(i), x.view(i), choices.groups(i), up, {}, {});
    };
    const auto experts_down = [&](int i) {
      ops::experts_down(ctx_, expert_out.view(i), activated.view(i), choices.groups(i), down, {});
    };
    const auto combine = [&](int i) {
      ops::combine_experts(ctx_, out.view(i), expert_out.view(i), choices.groups(i), {});
    };
    print("route", 0, 2.0 * shape.num_experts, [&](int i) { choices.route(i); });
    print("up", 2 * width * hidden, hidden + shape.top_k * width, experts_up);
    print("down", width * hidden, shape.top_k * (width + hidden), experts_down);
    print("combine", 0, hidden + shape.top_k * hidden, combine);
    print("block", 3 * width * hidden, 2 * hidden, [&](int i) {
      choices.route(i);
      experts_up(i);
      experts_down(i);
      combine(i);
    });
  }

 private:
  const Context& ctx_;
  Ceilings ceilings_;
};

void run(const Context& ctx) {
  const Bench bench(ctx);
  const Shape qwen3{"Qwen3-30B-A3B", 128, 8, 2048, 768};
  const Shape gpt_oss{"gpt-oss-20b", 32, 4, 2880, 2880};
  for (const int64_t rows : {1, 32, 128, 256, 512, 8192}) bench.run(qwen3, rows);
  for (const int64_t rows : {1, 32, 256, 8192}) bench.run(gpt_oss, rows);
}

}  // namespace
}  // namespace eet

int main() {
  return eet::run_bench("experts_bench", eet::run);
}
