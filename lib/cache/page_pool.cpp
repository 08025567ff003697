#include "lib/cache/page_pool.h"

#include "lib/core/error.h"

namespace eet {

PagePool::PagePool(int64_t num_pages) : num_owners_(num_pages, 0) {
  free_.reserve(num_pages);
  for (int64_t page = num_pages - 1; page >= 0; --page) free_.push_back(static_cast<int32_t>(page));
}

std::vector<int32_t> PagePool::take(int64_t count) {
  require(count <= num_free(), "internal error: ", count, " KV pages asked for, ", num_free(),
          " free");
  std::vector<int32_t> pages(free_.end() - count, free_.end());
  free_.resize(free_.size() - count);
  for (const int32_t page : pages) num_owners_[page] = 1;
  return pages;
}

void PagePool::share(std::span<const int32_t> pages) {
  for (const int32_t page : pages) {
    require(num_owners_[page] > 0, "internal error: KV page ", page, " to share is free");
    ++num_owners_[page];
  }
}

void PagePool::give_back(std::span<const int32_t> pages) {
  for (const int32_t page : pages) {
    require(num_owners_[page] > 0, "internal error: KV page ", page, " given back twice");
    if (--num_owners_[page] == 0) free_.push_back(page);
  }
}

}  // namespace eet
