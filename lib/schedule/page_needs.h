// How many pages of a group a row needs, and for which of its positions.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/cache/page_pool.h"

namespace eet {

// How long the layers of a page group need a position. Rings of pages are written again and again.
struct PageRule {
  int64_t window = 0;       // 0: for as long as the row runs, and there are no rings
  int64_t ring = 0;         // pages that hold what any token sees
  int64_t prompt_ring = 0;  // pages that hold what all tokens of a prompt pass see

  // The first page that the token at `position` sees.
  int64_t first_visible(int64_t position) const;
};

// `max_pass_tokens`: of one prompt pass.
PageRule page_rule(int64_t window, int64_t max_pass_tokens);

// What the pages of one sample of a row depend on.
struct SampleExtent {
  int64_t prompt_len = 0;
  int64_t max_positions = 0;  // that it may have, the prompt's included
  int64_t shared_tokens = 0;  // first ones of the prompt, which are in another row's pages
  bool has_followers = false;
  bool lends = false;  // rows that start later may share its prompt
};

// The entries of a sample's block table:
//   [0, first)        behind the window from the start on
//   [first, prefix)   another row's pages, shared
//   [prefix, common)  pages of the prompt that others may share: once it has been fed, nothing is
//                     written in them
//   [common, total)   pages of this sample alone
// Where there are fewer pages than entries, they are used in turn: `num_common` of the prompt while
// it is fed, and of the sample's own `num_own` the last ring from the end of the prompt on. What is
// written over lies behind the window of all tokens to come.
struct PageNeeds {
  int64_t first = 0;
  int64_t prefix = 0;
  int64_t common = 0;
  int64_t prompt_end = 0;  // entries that the prompt takes, the last perhaps in part
  int64_t total = 0;
  int64_t num_common = 0;  // pages to take
  int64_t num_own = 0;     // likewise

  int64_t num_taken() const { return num_common + num_own; }
  // Entries of the prompt from here on are still as they were when it has been fed, where others
  // may share them.
  int64_t first_intact() const;
};

PageNeeds page_needs(const PageRule& rule, const SampleExtent& sample);

// Of a follower of a row with this extent: it shares the whole prompt.
SampleExtent follower_of(SampleExtent leader);

// The rules of all groups of a model.
class PageRules {
 public:
  // `share_prompts`: the samples of a row have the pages of its prompt in common.
  PageRules(const PageGroups& groups, int64_t max_pass_tokens, bool share_prompts);

  const std::vector<PageRule>& groups() const { return groups_; }

  // Pages of each group that all samples of a row take, of which `first` is the first one.
  std::vector<int64_t> pages_of_row(SampleExtent first, int64_t num_samples) const;

 private:
  std::vector<PageRule> groups_;
  bool share_prompts_;
};

}  // namespace eet
