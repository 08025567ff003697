#include "app/job/quantile_sketch.h"

#include <algorithm>
#include <cmath>

namespace eet {
namespace {

constexpr double kLeast = 1e-6;

}  // namespace

void QuantileSketch::add(double value) {
  const double steps = std::log(std::max(value, kLeast) / kLeast) / std::log(kGrowth);
  ++counts_[static_cast<size_t>(std::min(steps, static_cast<double>(kBuckets - 1)))];
  ++count_;
  max_ = std::max(max_, value);
}

double QuantileSketch::quantile(double q) const {
  const auto wanted = static_cast<int64_t>(std::ceil(q * static_cast<double>(count_)));
  int64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen == 0 || seen < wanted) continue;
    // The middle of the bucket, on the scale of its borders.
    return std::min(kLeast * std::pow(kGrowth, static_cast<double>(i) + 0.5), max_);
  }
  return 0;
}

}  // namespace eet
