// One row on its way through the engine.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/slot_state.h"
#include "lib/engine.h"

namespace eet {

struct Sequence {
  Request request;
  SlotParams params;           // what the device knows of the request
  int slot = -1;               // place in the device's tables while running
  std::vector<int32_t> pages;  // of the KV cache, for prompt and all tokens it may generate
  int32_t position = 0;        // of the token that is fed next
  int32_t num_issued = 0;      // tokens whose sampling has been issued
  int32_t num_generated = 0;   // tokens the host has seen
  bool ended = false;

  int32_t prompt_len() const { return static_cast<int32_t>(request.prompt.size()); }
  // Positions the row may occupy: its last token is sampled but never fed.
  int64_t max_positions() const { return int64_t{prompt_len()} + params.max_tokens - 1; }
};

using SequencePtr = std::shared_ptr<Sequence>;

}  // namespace eet
