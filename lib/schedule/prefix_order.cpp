#include "lib/schedule/prefix_order.h"

#include <algorithm>
#include <functional>

namespace eet {
namespace {

// Prompt tokens that take as long to compute as a decode step of few rows takes: where products
// turn from being bound by the weights' bytes to being bound by the matrix rate (145 tokens on an
// H200, 240 on an H100).
constexpr int64_t kTokensOfStep = 200;

// In the order given.
std::vector<int32_t> shared_with_neighbours(const std::vector<SharablePrompt>& prompts) {
  std::vector<int32_t> shared(prompts.size(), 0);
  for (size_t i = 1; i < prompts.size(); ++i) {
    shared[i] = shared_part(common_tokens(prompts[i - 1], prompts[i]));
  }
  return shared;
}

}  // namespace

SharablePrompt PrefixOrder::sharable(const Sequence& sequence) const {
  const std::vector<int32_t>& prompt = sequence.request.prompt;
  const auto count = static_cast<size_t>(sequence.max_shared_tokens());
  return {.tokens = std::span(prompt).first(count),
          .kind = rules_.short_context > 0 &&
                  static_cast<int64_t>(prompt.size()) > rules_.short_context};
}

// Decode steps until the last row ends, where rows start in turn as slots come free.
int64_t PrefixOrder::steps_of(const std::vector<SequencePtr>& rows) const {
  std::vector<int64_t> free_from(rules_.max_num_seqs, 0);  // a heap, the first slot on top
  int64_t ended = 0;
  for (const SequencePtr& row : rows) {
    for (int32_t sample = 0; sample < row->num_samples(); ++sample) {
      std::pop_heap(free_from.begin(), free_from.end(), std::greater<>());
      free_from.back() += row->params.max_tokens;
      ended = std::max(ended, free_from.back());
      std::push_heap(free_from.begin(), free_from.end(), std::greater<>());
    }
  }
  return ended;
}

void PrefixOrder::arrange(std::vector<SequencePtr>& rows, const Sequence* last) {
  // The tree is told of the last row as the first one, so that what continues with it comes first.
  std::vector<SharablePrompt> prompts = {last == nullptr ? SharablePrompt{} : sharable(*last)};
  prompts.reserve(rows.size() + 1);
  for (const SequencePtr& row : rows) prompts.push_back(sharable(*row));
  const PrefixTree tree(prompts);
  const std::vector<int64_t> saved_by_level = tree.saved_tokens_by_level();
  if (saved_by_level.empty()) return;
  saved_by_level_.resize(std::max(saved_by_level_.size(), saved_by_level.size()));
  int64_t saved = 0;
  for (size_t level = 0; level < saved_by_level.size(); ++level) {
    saved_by_level_[level] += saved_by_level[level];
    saved += saved_by_level[level];
  }

  const std::vector<int32_t> shared = shared_with_neighbours(prompts);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i]->shared_tokens = shared[i + 1];
    saved -= shared[i + 1];
  }
  std::vector<SequencePtr> by_prefix;
  by_prefix.reserve(rows.size());
  const std::vector<PrefixTree::Place> places = tree.places();
  for (size_t i = 1; i < places.size(); ++i) by_prefix.push_back(rows[places[i].prompt - 1]);
  const int64_t longer = rules_.outputs_matter ? steps_of(by_prefix) - steps_of(rows) : 0;
  if (saved < longer * kTokensOfStep) return;
  for (size_t i = 1; i < places.size(); ++i) {
    by_prefix[i - 1]->shared_tokens = places[i].shared_tokens;
  }
  rows = std::move(by_prefix);
}

}  // namespace eet
