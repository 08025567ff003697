// Costs of passes, learned from timed ones.
#include "app/forecast/pass_costs.h"

#include <doctest/doctest.h>

#include <vector>

namespace eet {
namespace {

TEST_CASE("costs are found again from the passes that they make") {
  std::vector<TimedPass> passes;
  for (const double rows : {1.0, 8.0, 32.0}) {
    for (const double context : {10.0, 300.0, 900.0}) {
      passes.push_back({{rows, rows * context}, 2e-3 + 1e-4 * rows + 1e-7 * rows * context});
    }
  }
  const PassCosts costs(passes);
  CHECK(costs.seconds({0, 0}) == doctest::Approx(2e-3).epsilon(0.01));
  CHECK(costs.seconds({100, 0}) == doctest::Approx(2e-3 + 1e-2).epsilon(0.01));
  CHECK(costs.seconds({16, 16'000}) == doctest::Approx(2e-3 + 1.6e-3 + 1.6e-3).epsilon(0.01));
}

TEST_CASE("no cost is negative, whatever the noise") {
  const PassCosts costs({{{1, 10}, 2e-3}, {{32, 320}, 1e-3}, {{64, 100}, 0.9e-3}});
  for (const double rows : {0.0, 1.0, 1000.0}) {
    for (const double context : {0.0, 1e6}) CHECK(costs.seconds({rows, context}) >= 0);
  }
}

TEST_CASE("without passes there are no costs, and of one size alone there are those of that size") {
  CHECK(PassCosts().seconds({5, 5}) == 0);
  CHECK(PassCosts({{{4, 40}, 0}}).seconds({4, 40}) == 0);
  const PassCosts one({{{4, 40}, 3e-3}, {{4, 40}, 3e-3}});
  CHECK(one.seconds({4, 40}) == doctest::Approx(3e-3));
}

}  // namespace
}  // namespace eet
