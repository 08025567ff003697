// Which engine of a group gets which row, and when.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lib/core/error.h"
#include "lib/parallel/waiting_rows.h"

namespace eet {

struct DealerOptions {
  size_t num_engines = 1;  // at most 64
  int max_num_seqs = 1;    // of each
  size_t sort_window = 1;  // of each
  int64_t max_model_len = 1;
  Schedule schedule = Schedule::kRefill;
};

// Host bookkeeping only, without threads. Engines shall never starve, and shall end together:
//   - an engine gets rows for its free slots, and beyond them a quarter of its share of those that
//     wait, so that less and less waits in engines as the queue runs dry;
//   - no engine gets a row while it has more than its share of all that are not finished.
class Dealer {
 public:
  explicit Dealer(const DealerOptions& options);

  // Rows that are sorted together: as many for each engine as it would sort alone.
  size_t sort_window() const { return window_; }
  // Whether enough wait for idle engines to begin well, while more rows come.
  bool can_start_all() const;

  void add(Request request);

  // Rows that do not run yet, those that engines hold included.
  size_t num_waiting() const;
  bool has_waiting_rows() const { return queue_.size() > 0; }

  // The next row for `engine`, if it may have one now. `accepts` says why the engine cannot run a
  // row, or nothing; a row that no engine can run is among take_refused().
  using Accepts = std::function<std::optional<RowError>(size_t engine, const Request& request)>;
  std::optional<GroupRow> next_for(size_t engine, const Accepts& accepts);

  struct Refused {
    uint64_t row = 0;
    RowError error;
  };
  std::vector<Refused> take_refused() { return std::exchange(refused_, {}); }

  // Of the rows that `engine` was dealt, so many do not run yet.
  void set_waiting(size_t engine, size_t rows);
  // A row that `engine` was dealt has ended.
  void end(size_t engine, const GroupRow& row);
  // The engine is no more; what it had not ended waits again.
  void drop(size_t engine, std::vector<GroupRow> rows);

  // Ends a sample of a row that waits again. True when that was its last one.
  bool stop(uint64_t row, int32_t sample) { return queue_.stop(row, sample); }

 private:
  struct Hand {
    bool live = true;
    size_t rows = 0;                                // dealt and not ended
    int64_t samples = 0;                            // of those
    size_t waiting = 0;                             // of those rows
    bool is_full = false;                           // rows were left waiting by the step before
    std::unordered_map<uint64_t, size_t> prefixes;  // of those rows, and how many have each
  };

  bool may_take(const Hand& hand) const;
  WaitingRows::Holder holder(size_t engine, uint64_t prefix) const;
  void give(size_t engine, const GroupRow& row);
  void release(size_t engine, uint64_t prefix);

  DealerOptions options_;
  size_t window_;
  size_t least_ahead_;
  WaitingRows queue_;
  std::vector<Hand> hands_;
  size_t num_live_;
  uint64_t live_mask_;
  std::unordered_map<uint64_t, uint64_t> holders_;  // engines that have rows of a prefix, as bits
  std::vector<Refused> refused_;
};

}  // namespace eet
