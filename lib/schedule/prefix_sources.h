// Which row has the tokens that another one shares.
#pragma once

#include <cstdint>
#include <vector>

namespace eet {

// Of rows that start together, in their order. Each shares the first tokens of its prompt with the
// row before it, which may share in turn: they come from the nearest row before that shares fewer,
// which feeds the last of them itself.
class PrefixSources {
 public:
  // Of the next row, if it shares so many tokens: the number of the row that they come from. -1: a
  // row that has started before these, or none.
  int32_t source_of(int32_t shared_tokens) const {
    if (shared_tokens == 0) return -1;
    for (size_t i = path_.size(); i-- > 0;) {
      if (path_[i].shared_tokens < shared_tokens) return path_[i].row;
    }
    return -1;
  }

  // Adds the next row.
  void add(int32_t shared_tokens) {
    while (!path_.empty() && path_.back().shared_tokens >= shared_tokens) path_.pop_back();
    path_.push_back({num_rows_++, shared_tokens});
  }

 private:
  struct Candidate {
    int32_t row;
    int32_t shared_tokens;
  };
  std::vector<Candidate> path_;  // each shares more than those before it
  int32_t num_rows_ = 0;
};

}  // namespace eet
