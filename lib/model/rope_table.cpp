#include "lib/model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "lib/core/thread_pool.h"

namespace eet {
namespace {

using Scaling = RopeConfig::Scaling;

// transformers' _compute_llama3_parameters: divides frequencies of wavelengths above
// original/low_freq_factor, keeps those below original/high_freq_factor, blends in between.
double llama3_frequency(const RopeConfig& rope, double f) {
  const auto original = static_cast<double>(rope.original_max_position_embeddings);
  const double wavelength = 2.0 * std::numbers::pi / f;
  if (wavelength > original / rope.low_freq_factor) return f / rope.factor;
  if (wavelength < original / rope.high_freq_factor) return f;
  const double smooth = (original / wavelength - rope.low_freq_factor) /
                        (rope.high_freq_factor - rope.low_freq_factor);
  return (1.0 - smooth) * f / rope.factor + smooth * f;
}

// transformers' _compute_yarn_parameters: a ramp over the pairs, from plain frequencies of those
// that turn beta_fast times in the original context to divided ones of those that turn beta_slow
// times.
class YarnRamp {
 public:
  explicit YarnRamp(const RopeConfig& rope) {
    const auto dim = static_cast<double>(rope.rotary_dim);
    const auto pair_that_turns = [&](double times) {
      const auto original = static_cast<double>(rope.original_max_position_embeddings);
      return dim * std::log(original / (times * 2.0 * std::numbers::pi)) /
             (2.0 * std::log(rope.theta));
    };
    low_ = pair_that_turns(rope.beta_fast);
    high_ = pair_that_turns(rope.beta_slow);
    if (rope.truncate) {
      low_ = std::floor(low_);
      high_ = std::ceil(high_);
    }
    low_ = std::max(low_, 0.0);
    high_ = std::min(high_, dim - 1);
    if (low_ == high_) high_ += 0.001;
  }

  double frequency(const RopeConfig& rope, double f, size_t pair) const {
    const double divided =
        std::clamp((static_cast<double>(pair) - low_) / (high_ - low_), 0.0, 1.0);
    return f / rope.factor * divided + f * (1.0 - divided);
  }

 private:
  double low_ = 0;
  double high_ = 0;
};

// theta^(-2i/rotary_dim), scaled; with `is_long` by longrope's factors for long contexts.
std::vector<double> inverse_frequencies(const RopeConfig& rope, bool is_long) {
  std::vector<double> frequencies(rope.rotary_dim / 2);
  const YarnRamp yarn(rope);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double f =
        std::pow(rope.theta, -2.0 * static_cast<double>(i) / static_cast<double>(rope.rotary_dim));
    switch (rope.scaling) {
      case Scaling::kNone:
        frequencies[i] = f;
        break;
      case Scaling::kLinear:
        frequencies[i] = f / rope.factor;
        break;
      case Scaling::kLlama3:
        frequencies[i] = llama3_frequency(rope, f);
        break;
      case Scaling::kYarn:
        frequencies[i] = yarn.frequency(rope, f, i);
        break;
      case Scaling::kLongrope:
        frequencies[i] = f / (is_long ? rope.long_factors : rope.short_factors)[i];
        break;
    }
  }
  return frequencies;
}

}  // namespace

int64_t rope_table_rows(const RopeConfig& rope, int64_t num_positions) {
  const bool two_lists =
      rope.scaling == Scaling::kLongrope && num_positions > rope.original_max_position_embeddings;
  return num_positions + (two_lists ? rope.original_max_position_embeddings : 0);
}

std::vector<float> rope_table(const Context& ctx, const RopeConfig& rope, int64_t num_positions) {
  const int64_t half = rope.rotary_dim / 2;
  const std::vector<double> short_frequencies = inverse_frequencies(rope, false);
  const std::vector<double> long_frequencies = inverse_frequencies(rope, true);
  const int64_t rows = rope_table_rows(rope, num_positions);
  const auto attention_factor = static_cast<float>(rope.attention_factor);
  std::vector<float> table(rows * half * 2);
  ctx.pool->parallel_for(rows, [&](int64_t row) {
    const int64_t position = row < num_positions ? row : row - num_positions;
    const bool is_long = row >= rope.original_max_position_embeddings;
    const std::vector<double>& frequencies = is_long ? long_frequencies : short_frequencies;
    for (int64_t i = 0; i < half; ++i) {
      // The reference multiplies in fp32. The same here makes long contexts round alike.
      const float angle = static_cast<float>(position) * static_cast<float>(frequencies[i]);
      table[(row * half + i) * 2] = std::cos(angle) * attention_factor;
      table[(row * half + i) * 2 + 1] = std::sin(angle) * attention_factor;
    }
  });
  return table;
}

}  // namespace eet
