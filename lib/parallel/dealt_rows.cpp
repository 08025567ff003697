#include "lib/parallel/dealt_rows.h"

#include <algorithm>
#include <utility>

namespace eet {

void DealtRows::add(GroupRow row) {
  const uint64_t number = row.request.row;
  const auto samples = static_cast<size_t>(num_samples(row.request));
  Row& added = rows_[number];
  added.current.resize(samples);
  added.row = std::move(row);
  added.num_running = static_cast<int32_t>(samples);
  for (size_t i = 0; i < added.row.given.size(); ++i) {
    added.current[i].ended = added.row.given[i].ended;
    if (added.current[i].ended) --added.num_running;
  }
}

void DealtRows::take(std::span<const TokenOutput> outputs, Taken& taken) {
  for (const TokenOutput& output : outputs) take(output, taken);
}

void DealtRows::take(const TokenOutput& output, Taken& taken) {
  const auto place = rows_.find(output.row);
  const auto sample = static_cast<size_t>(output.sample);
  const bool ends = output.finish != FinishReason::kNone;
  if (place == rows_.end() || place->second.current[sample].ended) {
    // Stopped before it ran here, or a token computed before the engine knew of the stop.
    if (!ends) taken.stops.emplace_back(output.row, output.sample);
    return;
  }
  Row& row = place->second;
  SampleTrace& current = row.current[sample];
  const bool known =
      !row.row.given.empty() && current.num_tokens < row.row.given[sample].num_tokens;
  if (!known || output.finish == FinishReason::kError) {
    taken.outputs.push_back(output);
    current.add(output);
    if (ends) end_sample(place, output.sample, taken);
    return;
  }
  current.add(output);
  const SampleTrace& given = row.row.given[sample];
  const bool differs = current.num_tokens == given.num_tokens && current.hash != given.hash;
  if (differs || ends) fail(place, output.sample, taken);
}

// The whole row: what was given out of it does not go together with what comes now.
void DealtRows::fail(Rows::iterator place, int32_t sample, Taken& taken) {
  const uint64_t number = place->first;
  taken.outputs.push_back(
      failed_output(number, sample,
                    {"not_reproduced",
                     "a device failed in the middle of this row, and another one gave other "
                     "tokens for its beginning; run the row again"}));
  const auto samples = static_cast<int32_t>(place->second.current.size());
  for (int32_t i = 0; i < samples; ++i) taken.stops.emplace_back(number, i);
  taken.ended.push_back(std::move(place->second.row));
  rows_.erase(place);
}

void DealtRows::end_sample(Rows::iterator place, int32_t sample, Taken& taken) {
  Row& row = place->second;
  row.current[static_cast<size_t>(sample)].ended = true;
  if (--row.num_running > 0) return;
  taken.ended.push_back(std::move(row.row));
  rows_.erase(place);
}

void DealtRows::stop(uint64_t row, int32_t sample, Taken& taken) {
  const auto place = rows_.find(row);
  if (place == rows_.end() || place->second.current[static_cast<size_t>(sample)].ended) return;
  taken.stops.emplace_back(row, sample);
  end_sample(place, sample, taken);
}

std::vector<GroupRow> DealtRows::take_unfinished() {
  std::vector<GroupRow> rows;
  rows.reserve(rows_.size());
  for (auto& [number, row] : rows_) {
    std::vector<SampleTrace>& given = row.row.given;
    given.resize(row.current.size());
    for (size_t i = 0; i < given.size(); ++i) {
      if (row.current[i].num_tokens >= given[i].num_tokens || row.current[i].ended) {
        given[i] = row.current[i];
      }
    }
    rows.push_back(std::move(row.row));
  }
  rows_.clear();
  std::sort(rows.begin(), rows.end(),
            [](const GroupRow& a, const GroupRow& b) { return a.request.row < b.request.row; });
  return rows;
}

}  // namespace eet
