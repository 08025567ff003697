#include "app/job/input/prefix_survey.h"

#include <algorithm>

#include "lib/schedule/prefix_tree.h"

namespace eet {

void PrefixSurvey::add(std::vector<RowShape>& shapes, std::vector<int32_t> prompt) {
  prompts_.emplace_back(static_cast<int32_t>(shapes.size()) - 1, std::move(prompt));
  if (prompts_.size() > window_) finish(shapes);
}

void PrefixSurvey::finish(std::vector<RowShape>& shapes) {
  std::vector<SharablePrompt> views;
  views.reserve(prompts_.size());
  for (const auto& [row, prompt] : prompts_) {
    // As Sequence::max_shared_tokens() says of rows that generate.
    views.push_back(
        {.tokens = std::span(prompt).first(prompt.size() - 1),
         .kind = short_context_ > 0 && static_cast<int64_t>(prompt.size()) > short_context_});
  }
  size_t last = 0;
  int32_t before = -1;
  for (const PrefixTree::Place& place : PrefixTree(views).places()) {
    const int32_t row = prompts_[static_cast<size_t>(place.prompt)].first;
    if (before >= 0 && place.shared_tokens > 0) {
      // The nearest row before that has the tokens from no other.
      int32_t source = before;
      while (shapes[source].shared_tokens >= place.shared_tokens)
        source = shapes[source].shares_with;
      shapes[row].shares_with = source;
      shapes[row].shared_tokens = place.shared_tokens;
    }
    before = row;
    last = static_cast<size_t>(place.prompt);
  }
  if (prompts_.empty()) return;
  std::swap(prompts_.front(), prompts_[last]);
  prompts_.resize(1);
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
