// When passes begin and end on the device.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "lib/core/memory.h"
#include "lib/core/pipeline.h"

namespace eet {

// Passes begin and end in turn and are collected in the same order, fewer than kPassPlaces of them
// being under way.
class PassClock {
 public:
  explicit PassClock(const Context& ctx);

  // Around what a pass puts on the stream.
  void begin();
  void end();

  // Waits for the oldest pass that was not collected yet. Returns the seconds for which the device
  // had nothing to do before it began; 0 for the first pass and on the CPU.
  double collect();

 private:
  struct Pass {
    std::unique_ptr<Fence> begin;
    std::unique_ptr<Fence> end;
  };
  Pass& pass(size_t number) { return passes_[number % passes_.size()]; }

  // The pass collected last still says when it ended.
  std::array<Pass, kPassPlaces> passes_;
  size_t num_begun_ = 0;
  size_t num_collected_ = 0;
};

}  // namespace eet
