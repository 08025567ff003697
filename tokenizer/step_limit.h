// A bound on what looking for tokens in a text may cost.
#pragma once

#include <cstddef>

#include "tokenizer/tokenizer.h"

namespace eet {

// Tokens that are very long and alike make each place of a text cost their whole length. The
// reference has no such limit: what exceeds it would run for hours there.
class StepLimit {
 public:
  explicit StepLimit(size_t text_bytes) : left_(kSteps + kStepsPerByte * text_bytes) {}

  void spend(size_t steps) {
    if (steps > left_) {
      throw TokenizerError(
          "text: looking for this tokenizer's tokens takes too many steps: cut the text");
    }
    left_ -= steps;
  }

 private:
  static constexpr size_t kSteps = 100'000'000;
  static constexpr size_t kStepsPerByte = 200;

  size_t left_;
};

}  // namespace eet
