#include "app/job/input/prefix_survey.h"

#include <doctest/doctest.h>

#include <span>

#include "lib/schedule/prefix_tree.h"
#include "tests/lib/prefix/prompt_forest.h"

namespace eet {
namespace {

// As far as a row that generates can share its prompt.
SharablePrompt sharable(const std::vector<int32_t>& prompt) {
  return {.tokens = std::span(prompt).first(prompt.size() - 1)};
}

TEST_CASE("prompts made from a survey have in common what the prompts surveyed have") {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    test::PromptForest forest(seed, 300, 500);
    const std::vector<std::vector<int32_t>> prompts = forest.grow(30);
    PrefixSurvey survey(/*window=*/100);
    std::vector<RowShape> shapes;
    for (const std::vector<int32_t>& prompt : prompts) {
      shapes.push_back({.prompt_tokens = static_cast<int32_t>(prompt.size())});
      survey.add(shapes, prompt);
    }
    survey.finish(shapes);
    bool all_alike = true;
    for (size_t a = 0; a < prompts.size(); ++a) {
      const std::vector<int32_t> like_a = prompt_like(shapes, a);
      CHECK(like_a.size() == prompts[a].size());
      for (size_t b = a + 1; b < prompts.size(); ++b) {
        const std::vector<int32_t> like_b = prompt_like(shapes, b);
        all_alike &= common_tokens(sharable(like_a), sharable(like_b)) ==
                     shared_part(common_tokens(sharable(prompts[a]), sharable(prompts[b])));
      }
    }
    CHECK(all_alike);
  }
}

TEST_CASE("a prefix is known again from window to window, and its kind keeps prompts apart") {
  std::vector<RowShape> shapes;
  PrefixSurvey survey(/*window=*/4, /*short_context=*/200);
  for (int32_t row = 0; row < 20; ++row) {
    std::vector<int32_t> prompt(150, 7);
    prompt.resize(row % 5 == 0 ? 201 : 160, 100 + row);
    shapes.push_back({.prompt_tokens = static_cast<int32_t>(prompt.size())});
    survey.add(shapes, prompt);
  }
  survey.finish(shapes);
  int sharing = 0;
  for (size_t row = 0; row < shapes.size(); ++row) {
    if (shapes[row].shared_tokens == 0) continue;
    CHECK(shapes[row].shared_tokens == 150);
    CHECK((shapes[row].shares_with % 5 == 0) == (row % 5 == 0));
    ++sharing;
  }
  CHECK(sharing >= 12);
}

}  // namespace
}  // namespace eet
