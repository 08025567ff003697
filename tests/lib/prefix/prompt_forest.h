// Random prompts that begin alike: trees of prefixes that end anywhere, prompts that are prefixes
// of others, and equal ones.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace eet::test {

class PromptForest {
 public:
  // Ids in [0, vocab_size); prompts of 1 to `longest` tokens.
  PromptForest(uint32_t seed, int32_t vocab_size, int longest)
      : random_(seed), vocab_size_(vocab_size), longest_(longest) {}

  int uniform(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

  // Most prompts go on from somewhere in one before them.
  std::vector<std::vector<int32_t>> grow(size_t count) {
    std::vector<std::vector<int32_t>> prompts;
    while (prompts.size() < count) {
      std::vector<int32_t> prompt;
      if (!prompts.empty() && uniform(0, 5) > 0) {
        const auto& from =
            prompts[static_cast<size_t>(uniform(0, static_cast<int>(prompts.size()) - 1))];
        prompt.assign(from.begin(), from.begin() + cut(static_cast<int>(from.size())));
      }
      const int more = uniform(0, 3) == 0 ? uniform(0, 4) : uniform(0, longest_ / 2);
      for (int i = 0; i < more && static_cast<int>(prompt.size()) < longest_; ++i) {
        prompt.push_back(uniform(0, vocab_size_ - 1));
      }
      if (!prompt.empty()) prompts.push_back(std::move(prompt));
    }
    return prompts;
  }

 private:
  // All of it, whole pages, or any part.
  int cut(int size) {
    constexpr int kPage = 128;
    switch (uniform(0, 3)) {
      case 0:
        return size;
      case 1:
        return size / kPage * kPage;
      default:
        return uniform(1, size);
    }
  }

  std::mt19937 random_;
  int32_t vocab_size_;
  int longest_;
};

}  // namespace eet::test
