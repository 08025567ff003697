#include "lib/schedule/page_needs.h"

#include <algorithm>

namespace eet {
namespace {

// Pages that `count` positions in a row may lie in.
int64_t pages_around(int64_t count) {
  return 1 + PagePool::pages_for(count - 1);
}

}  // namespace

int64_t PageRule::first_visible(int64_t position) const {
  return window == 0 ? 0 : std::max<int64_t>(0, position - window + 1) / kPageSize;
}

PageRule page_rule(int64_t window, int64_t max_pass_tokens) {
  if (window == 0) return {};
  return {.window = window,
          .ring = pages_around(window),
          .prompt_ring = pages_around(window - 1 + max_pass_tokens)};
}

int64_t PageNeeds::first_intact() const {
  return num_common < common - prefix ? common - num_common : first;
}

PageNeeds page_needs(const PageRule& rule, const SampleExtent& sample) {
  PageNeeds needs;
  needs.prefix = sample.shared_tokens / kPageSize;
  needs.first = std::min(needs.prefix, rule.first_visible(sample.shared_tokens));
  needs.common =
      sample.has_followers || sample.lends ? sample.prompt_len / kPageSize : needs.prefix;
  needs.prompt_end = PagePool::pages_for(sample.prompt_len);
  needs.total = PagePool::pages_for(sample.max_positions);
  needs.num_common = needs.common - needs.prefix;
  needs.num_own = needs.total - needs.common;
  if (rule.window == 0) return needs;
  needs.num_common = std::min(needs.num_common, rule.prompt_ring);
  // The page in which the prompt ends may be copied by a row that shares it.
  const int64_t of_prompt = needs.prompt_end - needs.common;
  const int64_t enough = sample.lends ? of_prompt + rule.ring
                                      : std::max(std::min(of_prompt, rule.prompt_ring), rule.ring);
  needs.num_own = std::min(needs.num_own, enough);
  return needs;
}

SampleExtent follower_of(SampleExtent leader) {
  leader.shared_tokens = leader.prompt_len;
  leader.has_followers = false;
  leader.lends = false;
  return leader;
}

PageRules::PageRules(const PageGroups& groups, int64_t max_pass_tokens, bool share_prompts)
    : share_prompts_(share_prompts) {
  for (const PageGroup& group : groups.groups) {
    groups_.push_back(page_rule(group.window, max_pass_tokens));
  }
}

std::vector<int64_t> PageRules::pages_of_row(SampleExtent first, int64_t num_samples) const {
  first.has_followers = share_prompts_ && num_samples > 1;
  std::vector<int64_t> pages;
  for (const PageRule& rule : groups_) {
    const SampleExtent other = share_prompts_ ? follower_of(first) : first;
    pages.push_back(page_needs(rule, first).num_taken() +
                    (num_samples - 1) * page_needs(rule, other).num_taken());
  }
  return pages;
}

}  // namespace eet
