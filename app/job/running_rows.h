// Rows that the engine has: what their tokens come to, as text and as rows of the output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "app/job/output/completion.h"
#include "lib/core/thread_pool.h"
#include "lib/request.h"

namespace eet {

// A completion and its row of the output.
struct FinishedRow {
  Completion completion;
  std::string text = {};
  int64_t input_bytes = 0;
  int32_t num_samples = 1;
};

// Threads that it is worth to turn the tokens of so many devices into text.
int text_threads(size_t num_devices);

// Each row is one thread's while tokens are taken; what comes of them is the same, whatever the
// number of threads. One thread makes 2.5 million tokens/s; with four, those of a job on 8 engines
// leave its own thread time for 6 million (host_speed of tests/bench, on 2 cores).
class RunningRows {
 public:
  // Makes a row of the output; several threads may call it at the same time.
  using Format = std::function<std::string(const Completion&)>;

  RunningRows(Format format, int num_threads);

  // No row of that number may be here.
  void add(uint64_t row, CompletionBuilder&& builder);

  size_t size() const { return rows_.size(); }
  size_t memory_bytes() const { return memory_bytes_; }  // of their input

  // A token with which its sample has ended.
  struct End {
    size_t token = 0;                     // its place among those taken
    std::optional<FinishedRow> row = {};  // where it has ended the row
  };
  // Takes tokens, and returns those that end a sample in their order. Those of rows that are not
  // here are left out: they were computed before the engine knew that the row has ended. Memory
  // that is missing for a row is that row's error.
  std::vector<End> take(std::span<const TokenOutput> outputs);

  // With its row of the output; memory that is missing for that is the row's error.
  FinishedRow finish(Completion completion, int64_t input_bytes) const;

 private:
  void take_part(std::span<const TokenOutput> outputs, size_t part, size_t num_parts,
                 std::vector<End>& ends);

  const Format format_;
  ThreadPool threads_;
  std::unordered_map<uint64_t, CompletionBuilder> rows_;  // waiting in the engine or live
  size_t memory_bytes_ = 0;
};

}  // namespace eet
