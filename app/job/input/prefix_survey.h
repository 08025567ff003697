// What the prompts of a job's rows have in common, kept without the prompts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "app/forecast/row_shape.h"

namespace eet {

// A row shares with one of those before it that have the most in common with it. Holds the prompts
// of three windows: the scheduler's begin elsewhere, and go on with a row of the one before.
class PrefixSurvey {
 public:
  // `window`: rows that are sorted together. `short_context` as in SchedulerOptions.
  explicit PrefixSurvey(size_t window = 1, int64_t short_context = 0)
      : window_(window), short_context_(short_context) {}

  // Takes the prompt of the last one of `shapes`. Sets what rows share once a window is full.
  void add(std::vector<RowShape>& shapes, std::vector<int32_t> prompt);
  // Does so for the rows that are left.
  void finish(std::vector<RowShape>& shapes);

 private:
  size_t window_;
  int64_t short_context_;
  // Of the rows up to the last one. What the first ones share is known.
  std::vector<std::vector<int32_t>> prompts_;
  size_t num_known_ = 0;
};

// A prompt for a row that has in common with those of other rows what the row's own has.
std::vector<int32_t> prompt_like(const std::vector<RowShape>& shapes, size_t row);

}  // namespace eet
