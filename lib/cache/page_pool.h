// Which page of the KV cache belongs to whom: host bookkeeping only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/contract/kv_layout.h"

namespace eet {

// A page may have several owners, which then only read it, and is free when the last one has given
// it back.
class PagePool {
 public:
  explicit PagePool(int64_t num_pages);

  // Pages that hold `tokens` tokens.
  static int64_t pages_for(int64_t tokens) { return (tokens + kPageSize - 1) / kPageSize; }

  int64_t num_pages() const { return static_cast<int64_t>(num_owners_.size()); }
  int64_t num_free() const { return static_cast<int64_t>(free_.size()); }

  // Takes `count` pages, with one owner each; requires count <= num_free().
  std::vector<int32_t> take(int64_t count);
  // Adds an owner to pages that have one.
  void share(std::span<const int32_t> pages);
  void give_back(std::span<const int32_t> pages);

 private:
  std::vector<int32_t> free_;
  std::vector<int32_t> num_owners_;  // by page
};

}  // namespace eet
