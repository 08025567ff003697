// The queue that the engines of a group share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "lib/parallel/group_row.h"

namespace eet {

// The longest first, as an engine's planner has it: those that may generate most, or under the
// static schedule those with the longest prompts.
class WaitingRows {
 public:
  // At most `window` rows are sorted together; 1 keeps them in the order they come in.
  // `max_model_len` bounds the tokens that a row may generate.
  WaitingRows(Schedule schedule, size_t window, int64_t max_model_len)
      : schedule_(schedule), window_(window), max_model_len_(max_model_len) {}

  void add(GroupRow row);
  // Rows that have waited already come first.
  void put_back(std::vector<GroupRow> rows);

  size_t size() const { return sorted_.size() + arrived_.size(); }
  int64_t num_samples() const { return num_samples_; }

  // Takes the first row that `engine` has not refused. Among the few first ones, those are
  // preferred of which it `holds` the prefix, then those of which no one does: rows that share a
  // beginning come together.
  enum class Holder { kEngine, kNone, kOther };
  using HolderOf = std::function<Holder(uint64_t prefix)>;
  std::optional<GroupRow> take(size_t engine, const HolderOf& holder_of);

  // Takes the rows that all of these engines have refused.
  std::vector<GroupRow> take_refused(uint64_t engines);

  // Ends a sample of a row that waits again. True when that was the last one: the row is gone.
  bool stop(uint64_t row, int32_t sample);

 private:
  void sort();
  std::optional<size_t> choose(size_t engine, const HolderOf& holder_of) const;
  GroupRow take_at(size_t index);

  Schedule schedule_;
  size_t window_;
  int64_t max_model_len_;
  int64_t num_samples_ = 0;
  std::deque<GroupRow> arrived_;
  std::deque<GroupRow> sorted_;
};

}  // namespace eet
