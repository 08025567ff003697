#include "lib/cache/page_pool.h"

#include <algorithm>

#include "lib/core/error.h"

namespace eet {

PagePool::PagePool(const PageGroups& groups, int64_t num_slabs)
    : num_used_(static_cast<size_t>(num_slabs), 0) {
  free_slabs_.reserve(num_used_.size());
  for (int64_t slab = num_slabs - 1; slab >= 0; --slab) {
    free_slabs_.push_back(static_cast<int32_t>(slab));
  }
  for (size_t i = 0; i < groups.groups.size(); ++i) {
    Group group{.pages_of_slab = groups.pages_of_slab(i),
                .stride = groups.page_stride(i, num_slabs)};
    group.num_owners.assign(static_cast<size_t>(group.pages_of_slab * num_slabs), 0);
    groups_.push_back(std::move(group));
  }
}

int32_t& PagePool::num_owners(Group& group, int32_t page) const {
  return group
      .num_owners[static_cast<size_t>(page / group.stride * num_slabs() + page % num_slabs())];
}

bool PagePool::fits(std::span<const int64_t> pages) const {
  int64_t slabs = 0;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const int64_t of_new_slabs = std::max<int64_t>(0, pages[i] - groups_[i].num_free);
    slabs += (of_new_slabs + groups_[i].pages_of_slab - 1) / groups_[i].pages_of_slab;
  }
  return slabs <= num_free_slabs();
}

int32_t PagePool::take_one(Group& group) {
  if (group.begun.empty()) {
    require(!free_slabs_.empty(), "internal error: a KV page was asked for, none is free");
    group.begun.insert(free_slabs_.back());
    group.num_free += group.pages_of_slab;
    free_slabs_.pop_back();
  }
  const int32_t slab = *group.begun.begin();
  int32_t page = slab;
  while (num_owners(group, page) > 0) page += static_cast<int32_t>(group.stride);
  num_owners(group, page) = 1;
  --group.num_free;
  if (++num_used_[static_cast<size_t>(slab)] == group.pages_of_slab) group.begun.erase(slab);
  return page;
}

std::vector<int32_t> PagePool::take(size_t group, int64_t count) {
  std::vector<int32_t> pages;
  pages.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) pages.push_back(take_one(groups_[group]));
  return pages;
}

void PagePool::share(size_t group, std::span<const int32_t> pages) {
  for (const int32_t page : pages) {
    int32_t& owners = num_owners(groups_[group], page);
    require(owners > 0, "internal error: KV page ", page, " to share is free");
    ++owners;
  }
}

void PagePool::give_back(size_t group, std::span<const int32_t> pages) {
  Group& all = groups_[group];
  for (const int32_t page : pages) {
    int32_t& owners = num_owners(all, page);
    require(owners > 0, "internal error: KV page ", page, " given back twice");
    if (--owners > 0) continue;
    const auto slab = static_cast<int32_t>(page % num_slabs());
    ++all.num_free;
    if (--num_used_[static_cast<size_t>(slab)] > 0) {
      all.begun.insert(slab);
      continue;
    }
    all.num_free -= all.pages_of_slab;
    all.begun.erase(slab);
    free_slabs_.push_back(slab);
  }
}

}  // namespace eet
