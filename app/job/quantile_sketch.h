// Quantiles of a stream of positive numbers, in a fixed amount of memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace eet {

// Counts values in buckets whose borders grow by a constant factor, so that a quantile has a
// relative error of at most 2 % however long the stream is (DDSketch: Masson, Rim and Lee, VLDB
// 2019). Values outside [1e-6, 1e6) count as the nearest that is inside.
class QuantileSketch {
 public:
  void add(double value);

  int64_t count() const { return count_; }
  double max() const { return max_; }

  // The value that a share `q` in [0, 1] of all values do not exceed; 0 when there are none.
  double quantile(double q) const;

 private:
  static constexpr double kGrowth = 1.04;
  static constexpr size_t kBuckets = 706;  // log(1e12) / log(kGrowth), and one

  std::array<int64_t, kBuckets> counts_ = {};
  int64_t count_ = 0;
  double max_ = 0;
};

}  // namespace eet
