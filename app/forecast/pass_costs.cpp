#include "app/forecast/pass_costs.h"

#include <algorithm>
#include <cmath>

namespace eet {
namespace {

using Terms = std::array<double, 3>;

// Of a pass, divided by its seconds: the costs that fit give 1.
Terms terms_of(const TimedPass& pass) {
  return {1 / pass.seconds, pass.load.rows / pass.seconds, pass.load.context_tokens / pass.seconds};
}

}  // namespace

// Coordinate descent on the non-negative least squares: each cost in turn is set to its best value
// given the others, which for three of them settles in few rounds.
PassCosts::PassCosts(const std::vector<TimedPass>& passes) {
  constexpr int kRounds = 20'000;
  constexpr double kSettled = 1e-12;
  std::array<Terms, 3> products{};  // of terms with terms, summed over passes
  Terms sums{};
  for (const TimedPass& pass : passes) {
    if (pass.seconds <= 0) continue;
    const Terms terms = terms_of(pass);
    for (size_t i = 0; i < terms.size(); ++i) {
      sums[i] += terms[i];
      for (size_t j = 0; j < terms.size(); ++j) products[i][j] += terms[i] * terms[j];
    }
  }
  for (int round = 0; round < kRounds; ++round) {
    double moved = 0;
    for (size_t i = 0; i < costs_.size(); ++i) {
      if (products[i][i] <= 0) continue;
      double rest = sums[i];
      for (size_t j = 0; j < costs_.size(); ++j) {
        if (j != i) rest -= products[i][j] * costs_[j];
      }
      const double best = std::max(0.0, rest / products[i][i]);
      moved = std::max(moved, std::abs(best - costs_[i]) * std::sqrt(products[i][i]));
      costs_[i] = best;
    }
    if (moved < kSettled) return;
  }
}

}  // namespace eet
