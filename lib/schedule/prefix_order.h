// The order of rows that share the beginnings of their prompts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lib/schedule/prefix_tree.h"
#include "lib/schedule/sequence.h"

namespace eet {

struct PrefixRules {
  size_t max_num_seqs = 1;
  bool outputs_matter = true;  // rows start as others end, so that long ones had better start first
  // Of a model that turns long prompts otherwise (longrope): the longest short one. 0: no such
  // border.
  int64_t short_context = 0;
};

// A row shares with the one before it. In the order of the prefix tree, all rows below a prefix
// come one after another: the pages that the next row shares are all that has to be kept, whatever
// the number of prefixes and levels.
class PrefixOrder {
 public:
  explicit PrefixOrder(const PrefixRules& rules) : rules_(rules) {}

  // Sets what each row shares with the one before it, the first one with `last` (null: with
  // nothing). Puts rows with common prefixes beside each other where an estimate says that the
  // prompt tokens this saves outweigh what it costs that long outputs start later.
  void arrange(std::vector<SequencePtr>& rows, const Sequence* last);

  const std::vector<int64_t>& saved_tokens_by_level() const { return saved_by_level_; }

 private:
  SharablePrompt sharable(const Sequence& sequence) const;
  int64_t steps_of(const std::vector<SequencePtr>& rows) const;

  PrefixRules rules_;
  std::vector<int64_t> saved_by_level_;
};

}  // namespace eet
