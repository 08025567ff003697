// The rows that one engine of a group has been dealt.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lib/parallel/group_row.h"

namespace eet {

// Follows what the engine gives out, so that another one can go on in its place. Of a row that
// another engine had begun, the tokens that are known already are compared and left out; where they
// differ the row ends with an error (not_reproduced).
class DealtRows {
 public:
  void add(GroupRow row);

  // What a span of the engine's outputs comes to. A container may have been filled in part when
  // memory is missing: what is in `outputs` has been accounted for.
  struct Taken {
    std::vector<TokenOutput> outputs;                 // for the caller
    std::vector<std::pair<uint64_t, int32_t>> stops;  // samples that the engine is to end
    std::vector<GroupRow> ended;                      // rows without a sample that runs
  };
  void take(std::span<const TokenOutput> outputs, Taken& taken);

  // Ends a sample for the caller's reasons. No effect where it has ended.
  void stop(uint64_t row, int32_t sample, Taken& taken);

  // All rows that have not ended, by number, to be run again.
  std::vector<GroupRow> take_unfinished();

 private:
  struct Row {
    GroupRow row;
    std::vector<SampleTrace> current;  // of this engine, all tokens; `given` is what came before
    int32_t num_running = 0;           // samples
  };
  using Rows = std::unordered_map<uint64_t, Row>;

  void take(const TokenOutput& output, Taken& taken);
  void end_sample(Rows::iterator place, int32_t sample, Taken& taken);
  void fail(Rows::iterator place, int32_t sample, Taken& taken);

  Rows rows_;
};

}  // namespace eet
