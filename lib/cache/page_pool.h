// Which page of the KV cache belongs to whom: host bookkeeping only.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kv_layout.h"

namespace eet {

class PagePool {
 public:
  explicit PagePool(int64_t num_pages);

  // Pages that hold `tokens` tokens.
  static int64_t pages_for(int64_t tokens) { return (tokens + kPageSize - 1) / kPageSize; }

  int64_t num_pages() const { return num_pages_; }
  int64_t num_free() const { return static_cast<int64_t>(free_.size()); }

  // Takes `count` pages; requires count <= num_free().
  std::vector<int32_t> take(int64_t count);
  void give_back(const std::vector<int32_t>& pages);

 private:
  int64_t num_pages_;
  std::vector<int32_t> free_;
};

}  // namespace eet
