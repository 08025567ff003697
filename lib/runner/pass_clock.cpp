#include "lib/runner/pass_clock.h"

#include <algorithm>

namespace eet {

PassClock::PassClock(const Context& ctx) {
  for (Pass& pass : passes_) {
    pass = {.begin = std::make_unique<Fence>(ctx, /*timed=*/true),
            .end = std::make_unique<Fence>(ctx, /*timed=*/true)};
  }
}

void PassClock::begin() {
  pass(num_begun_++).begin->record();
}

void PassClock::end() {
  pass(num_begun_ - 1).end->record();
}

double PassClock::collect() {
  const size_t number = num_collected_++;
  pass(number).end->wait();
  if (number == 0) return 0;
  return std::max(0.0, pass(number).begin->seconds_since(*pass(number - 1).end));
}

}  // namespace eet
