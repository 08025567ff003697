// The CUDA side of lib/ops/experts.h: shapes already checked, a few launches each.
#pragma once

#include "lib/ops/experts.h"

namespace eet::ops::cuda {

void route(const Context& ctx, const ExpertGroups& groups, TensorView logits,
           TensorView selection_bias, const int32_t* positions, const RouterRules& rules);
void experts_up(const Context& ctx, TensorView activated, TensorView x, const ExpertGroups& groups,
                const ExpertWeight& up, TensorView bias, const ExpertActivation& activation,
                const ExpertScratch& scratch);
void experts_down(const Context& ctx, TensorView out, TensorView activated,
                  const ExpertGroups& groups, const ExpertWeight& down, TensorView bias,
                  const ExpertScratch& scratch);
void combine_experts(const Context& ctx, TensorView out, TensorView expert_out,
                     const ExpertGroups& groups, const SharedExpert& shared);

}  // namespace eet::ops::cuda
