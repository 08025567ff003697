#include "app/job/running_rows.h"

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

namespace eet {
namespace {

// Fewer are taken by the calling thread in less time than it takes to wake others.
constexpr size_t kTokensForThreads = 1024;

// As CompletionBuilder::push(); memory that is missing for a row is that row's error.
bool push(CompletionBuilder& builder, const TokenOutput& output) {
  try {
    return builder.push(output);
  } catch (const std::bad_alloc&) {
    builder.fail(out_of_memory());
    return false;
  }
}

}  // namespace

int text_threads(size_t num_devices) {
  constexpr size_t kMaxThreads = 4;
  return std::min(static_cast<int>(std::min(num_devices, kMaxThreads)), available_cores());
}

RunningRows::RunningRows(Format format, int num_threads)
    : format_(std::move(format)), threads_(num_threads) {}

void RunningRows::add(uint64_t row, CompletionBuilder&& builder) {
  memory_bytes_ += builder.memory_bytes();
  rows_.try_emplace(row, std::move(builder));
}

std::vector<RunningRows::End> RunningRows::take(std::span<const TokenOutput> outputs) {
  const bool is_worth_threads = outputs.size() >= kTokensForThreads;
  const size_t num_parts = is_worth_threads ? static_cast<size_t>(threads_.num_threads()) : 1;
  std::vector<std::vector<End>> parts(num_parts);
  threads_.parallel_for(static_cast<int64_t>(num_parts), [&](int64_t part) {
    take_part(outputs, static_cast<size_t>(part), num_parts, parts[static_cast<size_t>(part)]);
  });
  std::vector<End> ends = std::move(parts.front());
  for (size_t part = 1; part < num_parts; ++part) {
    std::move(parts[part].begin(), parts[part].end(), std::back_inserter(ends));
  }
  std::sort(ends.begin(), ends.end(), [](const End& a, const End& b) { return a.token < b.token; });
  for (const End& end : ends) {
    if (!end.row) continue;
    const auto ended = rows_.find(outputs[end.token].row);
    memory_bytes_ -= ended->second.memory_bytes();
    rows_.erase(ended);
  }
  return ends;
}

// Of the rows of which each part has its share. No other thread looks at a row of this part, and
// none is added or removed meanwhile.
void RunningRows::take_part(std::span<const TokenOutput> outputs, size_t part, size_t num_parts,
                            std::vector<End>& ends) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const TokenOutput& output = outputs[i];
    if (output.row % num_parts != part) continue;
    const auto found = rows_.find(output.row);
    if (found == rows_.end() || found->second.ended()) continue;
    CompletionBuilder& builder = found->second;
    if (push(builder, output)) continue;
    End& end = ends.emplace_back(End{i});
    if (!builder.ended()) continue;
    const int64_t input_bytes = builder.input_bytes();
    const int32_t num_samples = builder.num_samples();
    end.row = finish(builder.take(), input_bytes);
    end.row->num_samples = num_samples;
  }
}

FinishedRow RunningRows::finish(Completion completion, int64_t input_bytes) const {
  FinishedRow row{.completion = std::move(completion), .input_bytes = input_bytes};
  try {
    row.text = format_(row.completion);
  } catch (const std::bad_alloc&) {
    if (row.completion.error) throw;
    row.completion = failed_completion(row.completion, out_of_memory());
    row.text = format_(row.completion);
  }
  return row;
}

}  // namespace eet
