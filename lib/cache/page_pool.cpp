#include "lib/cache/page_pool.h"

#include "lib/core/error.h"

namespace eet {

PagePool::PagePool(int64_t num_pages) : num_pages_(num_pages) {
  free_.reserve(num_pages);
  for (int64_t page = num_pages - 1; page >= 0; --page) free_.push_back(static_cast<int32_t>(page));
}

std::vector<int32_t> PagePool::take(int64_t count) {
  require(count <= num_free(), "internal error: ", count, " KV pages asked for, ", num_free(),
          " free");
  std::vector<int32_t> pages(free_.end() - count, free_.end());
  free_.resize(free_.size() - count);
  return pages;
}

void PagePool::give_back(const std::vector<int32_t>& pages) {
  free_.insert(free_.end(), pages.begin(), pages.end());
}

}  // namespace eet
