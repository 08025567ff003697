// How much of what rows read from the KV cache is in pages that they have in common.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace eet {

class PageReaders {
 public:
  explicit PageReaders(int64_t num_pages) : num_readers_(static_cast<size_t>(num_pages), 0) {}

  void add(std::span<const int32_t> pages) {
    for (const int32_t page : pages) num_repeated_ += num_readers_[page]++ > 0 ? 1 : 0;
  }
  // Pages that add() got.
  void remove(std::span<const int32_t> pages) {
    for (const int32_t page : pages) num_repeated_ -= --num_readers_[page] > 0 ? 1 : 0;
  }

  // Pages counted for all their readers but one.
  int64_t num_repeated() const { return num_repeated_; }

 private:
  std::vector<int32_t> num_readers_;  // by page
  int64_t num_repeated_ = 0;
};

}  // namespace eet
