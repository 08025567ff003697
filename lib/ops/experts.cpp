// Checks shapes, then runs the operation on the context's device.
#include "lib/ops/experts.h"

#include <cstddef>

#include "lib/core/error.h"
#include "lib/ops/cpu/experts_cpu.h"
#if EET_HAVE_CUDA
#include "lib/ops/cuda/experts_cuda.h"
#define EET_DISPATCH(call) return ctx.on_cuda() ? cuda::call : cpu::call
#else
#define EET_DISPATCH(call) return cpu::call
#endif

namespace eet::ops {
namespace {

constexpr size_t kAlignment = 16;

size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// A mismatch here is a mistake of ours, not of a user: what() names the operation.
void check(bool condition, const char* what, const TensorView& got) {
  require(condition, "internal error: ", what, ": got ", describe(got));
}

void check_matrix(const Context& ctx, const TensorView& x, int64_t rows, int64_t columns,
                  const char* what) {
  check(x.rank == 2 && x.dim(0) == rows && x.dim(1) == columns &&
            (ctx.on_cuda() || x.dtype == DType::kF32),
        what, x);
}

void check_weight(const TensorView& x, const ExpertGroups& groups, const ExpertWeight& weight,
                  const TensorView& bias, const char* what) {
  check(weight.num_experts == groups.num_experts && weight.data.dtype == x.dtype, what,
        weight.data);
  check(
      !bias || (bias.dtype == x.dtype && bias.numel() == groups.num_experts * weight.out_features),
      what, bias);
}

}  // namespace

size_t expert_groups_bytes(int num_experts, int top_k, int64_t max_rows) {
  const auto pairs = static_cast<size_t>(max_rows) * top_k;
  const auto experts = static_cast<size_t>(num_experts);
  return aligned((pairs / kMinExpertTileRows + experts) * sizeof(ExpertTile)) +
         aligned(sizeof(int32_t)) + aligned((experts + 1) * sizeof(int32_t)) +
         3 * aligned(pairs * sizeof(int32_t));
}

ExpertGroups expert_groups(void* memory, int num_experts, int top_k, int64_t num_rows,
                           int tile_rows) {
  if (tile_rows == 0) tile_rows = expert_tile_rows(num_rows, top_k, num_experts);
  ExpertGroups groups{.num_rows = static_cast<int>(num_rows),
                      .num_experts = num_experts,
                      .top_k = top_k,
                      .tile_rows = tile_rows};
  auto* next = static_cast<std::byte*>(memory);
  const auto take = [&next]<typename T>(T*& array, int64_t count) {
    array = reinterpret_cast<T*>(next);
    next += aligned(static_cast<size_t>(count) * sizeof(T));
  };
  take(groups.num_tiles, 1);
  take(groups.offsets, num_experts + 1);
  take(groups.tiles, groups.max_tiles());
  take(groups.experts, groups.num_pairs());
  take(groups.weights, groups.num_pairs());
  take(groups.pairs, groups.num_pairs());
  return groups;
}

void route(const Context& ctx, const ExpertGroups& groups, TensorView logits,
           TensorView selection_bias, const int32_t* positions, const RouterRules& rules) {
  require(rules.num_experts == groups.num_experts && rules.top_k == groups.top_k &&
              rules.num_experts <= kMaxExperts && rules.top_k > 0 && rules.top_k <= kMaxTopK &&
              rules.top_k <= rules.num_experts,
          "internal error: route: got ", rules.top_k, " of ", rules.num_experts, " experts");
  check(logits.rank == 2 && logits.dtype == DType::kF32 && logits.dim(0) == groups.num_rows &&
            logits.dim(1) >= rules.num_experts,
        "route: logits", logits);
  check(!selection_bias ||
            (selection_bias.dtype == DType::kF32 && selection_bias.numel() == rules.num_experts),
        "route: selection bias", selection_bias);
  if (groups.num_rows == 0) return;
  EET_DISPATCH(route(ctx, groups, logits, selection_bias, positions, rules));
}

void experts_up(const Context& ctx, TensorView activated, TensorView x, const ExpertGroups& groups,
                const ExpertWeight& up, TensorView bias, const ExpertActivation& activation,
                const ExpertScratch& scratch) {
  check_matrix(ctx, x, groups.num_rows, up.in_features, "experts_up: x");
  check_weight(x, groups, up, bias, "experts_up: weight or bias");
  check_matrix(ctx, activated, groups.num_pairs(), up.out_features / (activation.gated ? 2 : 1),
               "experts_up: activated");
  require(activation.gated || activation.swiglu_limit == 0,
          "internal error: experts_up: a clamped SwiGLU without gates");
  if (!ctx.on_cuda()) {
    check_matrix(ctx, scratch.gathered, groups.num_pairs(), up.in_features, "experts_up: gathered");
    check_matrix(ctx, scratch.product, groups.num_pairs(), up.out_features, "experts_up: product");
  }
  if (groups.num_rows == 0) return;
  EET_DISPATCH(experts_up(ctx, activated, x, groups, up, bias, activation, scratch));
}

void experts_down(const Context& ctx, TensorView out, TensorView activated,
                  const ExpertGroups& groups, const ExpertWeight& down, TensorView bias,
                  const ExpertScratch& scratch) {
  check_matrix(ctx, activated, groups.num_pairs(), down.in_features, "experts_down: activated");
  check_weight(activated, groups, down, bias, "experts_down: weight or bias");
  check_matrix(ctx, out, groups.num_pairs(), down.out_features, "experts_down: out");
  if (!ctx.on_cuda()) {
    check_matrix(ctx, scratch.product, groups.num_pairs(), down.out_features,
                 "experts_down: product");
  }
  if (groups.num_rows == 0) return;
  EET_DISPATCH(experts_down(ctx, out, activated, groups, down, bias, scratch));
}

void combine_experts(const Context& ctx, TensorView out, TensorView expert_out,
                     const ExpertGroups& groups, const SharedExpert& shared) {
  check_matrix(ctx, expert_out, groups.num_pairs(), out.dim(1), "combine_experts: expert_out");
  check_matrix(ctx, out, groups.num_rows, expert_out.dim(1), "combine_experts: out");
  check(out.dtype == expert_out.dtype, "combine_experts: out", out);
  if (shared.out) {
    check_matrix(ctx, shared.out, groups.num_rows, out.dim(1), "combine_experts: shared");
    check(shared.out.dtype == out.dtype, "combine_experts: shared", shared.out);
  }
  check(!shared.gate || (shared.gate.rank == 2 && shared.gate.dtype == DType::kF32 &&
                         shared.gate.dim(0) == groups.num_rows),
        "combine_experts: shared gate", shared.gate);
  if (groups.num_rows == 0) return;
  EET_DISPATCH(combine_experts(ctx, out, expert_out, groups, shared));
}

}  // namespace eet::ops
