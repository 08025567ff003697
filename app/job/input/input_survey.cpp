#include "app/job/input/input_survey.h"

#include <bit>
#include <cmath>

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
      duplicates_listed.push_back({row.place, "duplicate_id", row.id});
    }
  }
  if (row.error) {
    ++bad_rows;
    ++bad_codes[row.error->code];
    if (bad_listed.size() < max_listed_) {
      bad_listed.push_back({row.place, row.error->code, row.error->message});
    }
    return;
  }
  truncated_rows += row.truncated ? 1 : 0;
  max_output_tokens += int64_t{row.params.max_tokens} * row.params.num_samples();
  prompts.add(row.prompt_ids.size());
  shapes.push_back({.prompt_tokens = static_cast<int32_t>(row.prompt_ids.size()),
                    .max_tokens = row.params.max_tokens,
                    .num_samples = row.params.num_samples(),
                    .may_stop = !row.params.ignore_eos || !row.stop.empty()});
  prefixes_.add(shapes, row.prompt_ids);
  add_to_sample(row);
}

// Vitter's reservoir sampling (algorithm R).
void InputSurvey::add_to_sample(const InputRow& row) {
  if (sample.size() < sample_rows_) {
    sample.push_back(row);
    return;
  }
  const size_t place = std::uniform_int_distribution<size_t>(0, shapes.size() - 1)(random_);
  if (place < sample.size()) sample[place] = row;
}

}  // namespace eet
