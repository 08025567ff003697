// A row as far as a job's course depends on it.
#pragma once

#include <cstdint>

namespace eet {

struct RowShape {
  int32_t prompt_tokens = 0;
  int32_t max_tokens = 0;   // of each sample, cut to the room there is
  int32_t num_samples = 1;  // that run together
  bool may_stop = true;     // before max_tokens: at EOS or a stop string
};

}  // namespace eet
