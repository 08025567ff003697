// How fast a model runs here, found out by running it for a moment.
#pragma once

#include <cstdint>

#include "lib/engine.h"

namespace eet {

struct Calibration {
  double prompt_tokens_per_second = 0;
  double output_tokens_per_second = 0;  // with all rows that run together
};

// Runs one full batch of prompts of `prompt_tokens` tokens, twice, and measures the second time.
// The engine must have nothing to do.
Calibration calibrate(Engine& engine, int64_t prompt_tokens);

// Seconds after loading, for a job whose rows generate as much as they may.
double expected_seconds(const Calibration& speed, int64_t prompt_tokens, int64_t output_tokens);

}  // namespace eet
