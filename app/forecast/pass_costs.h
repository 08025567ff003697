// How long forward passes take, learned from a few of them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace eet {

// What a pass's time depends on.
struct PassLoad {
  double rows = 0;            // that decode, or tokens of prompts that are fed
  double context_tokens = 0;  // that they attend to, added up
};

struct TimedPass {
  PassLoad load;
  double seconds = 0;
};

// seconds = fixed + by row · rows + by context token · context tokens, none of them negative.
class PassCosts {
 public:
  PassCosts() = default;

  // The least squares of relative errors, so that short passes count as much as long ones. Without
  // passes, all costs are 0.
  explicit PassCosts(const std::vector<TimedPass>& passes);

  double seconds(const PassLoad& load) const {
    return costs_[0] + costs_[1] * load.rows + costs_[2] * load.context_tokens;
  }

 private:
  std::array<double, 3> costs_{};
};

}  // namespace eet
