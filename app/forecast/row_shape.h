// A row as far as a job's course depends on it.
#pragma once

#include <cstdint>

namespace eet {

struct RowShape {
  int32_t prompt_tokens = 0;
  int32_t max_tokens = 0;   // of each sample, cut to the room there is
  int32_t num_samples = 1;  // that run together
  bool may_stop = true;     // before max_tokens: at EOS or a stop string
  // First tokens of the prompt that another row, by its index, begins with too; -1: no row.
  int32_t shared_tokens = 0;
  int32_t shares_with = -1;
};

}  // namespace eet
