#include "app/job/input/prefix_survey.h"

#include <algorithm>

#include "lib/schedule/prefix_tree.h"

namespace eet {

void PrefixSurvey::add(std::vector<RowShape>& shapes, std::vector<int32_t> prompt) {
  prompts_.push_back(std::move(prompt));
  if (prompts_.size() - num_known_ == window_) finish(shapes);
}

void PrefixSurvey::finish(std::vector<RowShape>& shapes) {
  std::vector<SharablePrompt> views;
  views.reserve(prompts_.size());
  for (const std::vector<int32_t>& prompt : prompts_) {
    // As Sequence::max_shared_tokens() says of rows that generate.
    views.push_back(
        {.tokens = std::span(prompt).first(prompt.size() - 1),
         .kind = short_context_ > 0 && static_cast<int64_t>(prompt.size()) > short_context_});
  }
  const auto first_row = static_cast<int32_t>(shapes.size() - prompts_.size());
  // Each shares more than those before it. The first of the rows that share as much came before
  // the others.
  std::vector<PrefixTree::Place> path;
  for (const PrefixTree::Place& place : PrefixTree(views).places()) {
    while (!path.empty() && path.back().shared_tokens >= place.shared_tokens) path.pop_back();
    if (!path.empty() && static_cast<size_t>(place.prompt) >= num_known_) {
      int32_t source = first_row + path.back().prompt;
      while (shapes[source].shared_tokens >= place.shared_tokens) {
        source = shapes[source].shares_with;  // which has these tokens from that row
      }
      shapes[first_row + place.prompt].shares_with = source;
      shapes[first_row + place.prompt].shared_tokens = place.shared_tokens;
    }
    path.push_back(place);
  }
  const size_t num_kept = std::min(prompts_.size(), 2 * window_);
  prompts_.erase(prompts_.begin(), prompts_.end() - static_cast<std::ptrdiff_t>(num_kept));
  num_known_ = num_kept;
}

std::vector<int32_t> prompt_like(const std::vector<RowShape>& shapes, size_t row) {
  std::vector<int32_t> prompt(static_cast<size_t>(shapes[row].prompt_tokens));
  auto end = prompt.end();
  for (auto source = static_cast<int32_t>(row); source >= 0; source = shapes[source].shares_with) {
    const auto begin = std::min(end, prompt.begin() + shapes[source].shared_tokens);
    std::fill(begin, end, source);
    end = begin;
  }
  return prompt;
}

}  // namespace eet
