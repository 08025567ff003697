#include "kernels/expert_gemm.h"
#include "kernels/expert_routing.h"
#include "lib/cuda/cuda_context.h"
#include "lib/ops/cuda/dispatch.h"
#include "lib/ops/cuda/experts_cuda.h"

namespace eet::ops::cuda {
namespace {

template <typename T>
kernels::ExpertProduct<T> product_of(const TensorView& x, const ExpertWeight& weight,
                                     const TensorView& bias) {
  return {.x = x.as<T>(),
          .weight = weight.data.as<T>(),
          .bias = bias.as<T>(),
          .in_features = static_cast<int>(weight.in_features),
          .out_features = static_cast<int>(weight.out_features)};
}

}  // namespace

void route(const Context& ctx, const ExpertGroups& groups, TensorView logits,
           TensorView selection_bias, const int32_t* positions, const RouterRules& rules) {
  kernels::choose_experts(groups, logits.as<float>(), logits.dim(1), selection_bias.as<float>(),
                          positions, rules, ctx.cuda->stream());
  kernels::group_pairs(groups, ctx.cuda->stream());
}

void experts_up(const Context& ctx, TensorView activated, TensorView x, const ExpertGroups& groups,
                const ExpertWeight& up, TensorView bias, const ExpertActivation& activation,
                const ExpertScratch& /*scratch*/) {
  const kernels::ExpertGate gate{.gated = activation.gated,
                                 .function = to_kernel(activation.kind),
                                 .swiglu_limit = activation.swiglu_limit};
  dispatch(x.dtype, [&]<typename T>() {
    kernels::experts_up(activated.as<T>(), product_of<T>(x, up, bias), groups, gate,
                        ctx.cuda->stream());
  });
}

void experts_down(const Context& ctx, TensorView out, TensorView activated,
                  const ExpertGroups& groups, const ExpertWeight& down, TensorView bias,
                  const ExpertScratch& /*scratch*/) {
  dispatch(activated.dtype, [&]<typename T>() {
    kernels::experts_down(out.as<T>(), product_of<T>(activated, down, bias), groups,
                          ctx.cuda->stream());
  });
}

void combine_experts(const Context& ctx, TensorView out, TensorView expert_out,
                     const ExpertGroups& groups, const SharedExpert& shared) {
  dispatch(out.dtype, [&]<typename T>() {
    kernels::combine_experts(out.as<T>(), expert_out.as<T>(), groups, shared.out.as<T>(),
                             shared.gate.as<float>(), shared.gate ? shared.gate.dim(1) : 0,
                             out.dim(1), ctx.cuda->stream());
  });
}

}  // namespace eet::ops::cuda
