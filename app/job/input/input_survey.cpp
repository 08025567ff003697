#include "app/job/input/input_survey.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

namespace eet {

void LengthCounts::add(size_t length) {
  if (length >= counts_.size()) counts_.resize(length + 1);
  ++counts_[length];
  ++rows_;
  tokens_ += static_cast<int64_t>(length);
}

double LengthCounts::mean() const {
  return rows_ > 0 ? static_cast<double>(tokens_) / static_cast<double>(rows_) : 0.0;
}

size_t LengthCounts::quantile(double q) const {
  const auto wanted = static_cast<int64_t>(std::ceil(q * static_cast<double>(rows_)));
  int64_t seen = 0;
  for (size_t length = 0; length < counts_.size(); ++length) {
    seen += counts_[length];
    if (seen > 0 && seen >= wanted) return length;
  }
  return 0;
}

std::vector<LengthCounts::Bin> LengthCounts::histogram() const {
  std::vector<Bin> bins;
  for (size_t length = 1; length < counts_.size(); ++length) {
    if (std::has_single_bit(length)) bins.push_back({length, 2 * length - 1, 0});
    bins.back().rows += counts_[length];
  }
  if (!bins.empty()) bins.back().last = counts_.size() - 1;
  return bins;
}

void InputSurvey::add(const InputRow& row) {
  ++rows;
  if (!ids_.insert(row.id)) {
    ++duplicate_ids;
    if (duplicates_listed.size() < max_listed_) {
      duplicates_listed.push_back({row.line, "duplicate_id", row.id});
    }
  }
  if (row.error) {
    ++bad_rows;
    ++bad_codes[row.error->code];
    if (bad_listed.size() < max_listed_) {
      bad_listed.push_back({row.line, row.error->code, row.error->message});
    }
    return;
  }
  truncated_rows += row.truncated ? 1 : 0;
  max_output_tokens += int64_t{row.params.max_tokens} * row.params.num_samples();
  prompts.add(row.prompt_ids.size());
  window_.push_back(row.prompt_ids.size());
  if (window_.size() == window_rows_) end_window();
}

void InputSurvey::finish() {
  end_window();
}

void InputSurvey::end_window() {
  std::sort(window_.begin(), window_.end(), std::greater<>());
  for (size_t first = 0; first < window_.size(); first += batch_rows_) {
    const size_t last = std::min(first + batch_rows_, window_.size());
    const auto longest = static_cast<int64_t>(window_[first]);
    ++padding.batches;
    for (size_t i = first; i < last; ++i)
      padding.pads += longest - static_cast<int64_t>(window_[i]);
    padding.min_length_steps += longest - static_cast<int64_t>(window_[last - 1]);
    padding.serial_steps += longest;
  }
  window_.clear();
}

}  // namespace eet
