// What sampling must do on any device: run by sampling_test on the CPU and by kernel_sampling_test
// on the GPU.
#pragma once

#include "lib/core/context.h"

namespace eet::test {

// Each of these makes its CHECKs on the context's device.
void check_draws_follow_probabilities(const Context& ctx);
void check_draws_over_a_large_odd_vocabulary(const Context& ctx, int num_draws);
void check_draws_are_independent(const Context& ctx);
void check_against_sorting_reference(const Context& ctx);
void check_filter_order(const Context& ctx);
void check_greedy_is_argmax(const Context& ctx);
void check_penalties(const Context& ctx);
void check_minimum_and_stops(const Context& ctx);
void check_non_finite_logits(const Context& ctx);
void check_replayed_and_ended_rows(const Context& ctx);
void check_poisoned_padding(const Context& ctx);
void check_batch_position(const Context& ctx);
void check_logprobs(const Context& ctx);

}  // namespace eet::test
