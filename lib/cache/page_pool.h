// Which page of the KV cache belongs to whom: host bookkeeping only.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include "kernels/contract/kv_layout.h"
#include "lib/cache/page_groups.h"

namespace eet {

// A page may have several owners, which then only read it, and is free when the last one has given
// it back. A slab is free, for pages of any group, when all its pages are.
class PagePool {
 public:
  PagePool(const PageGroups& groups, int64_t num_slabs);

  // Pages that hold `tokens` tokens.
  static int64_t pages_for(int64_t tokens) { return (tokens + kPageSize - 1) / kPageSize; }

  int64_t num_slabs() const { return static_cast<int64_t>(num_used_.size()); }
  int64_t num_free_slabs() const { return static_cast<int64_t>(free_slabs_.size()); }

  // Whether so many pages of each group can be taken.
  bool fits(std::span<const int64_t> pages) const;
  // Takes `count` pages of a group, with one owner each; requires that they fit.
  std::vector<int32_t> take(size_t group, int64_t count);
  // Adds an owner to pages that have one.
  void share(size_t group, std::span<const int32_t> pages);
  void give_back(size_t group, std::span<const int32_t> pages);

 private:
  struct Group {
    int64_t pages_of_slab = 1;
    int64_t stride = 0;                    // PageGroups::page_stride()
    std::vector<int32_t> num_owners = {};  // by place in the slab and slab
    std::set<int32_t> begun = {};          // slabs with pages of the group and room for more
    int64_t num_free = 0;                  // pages that these have room for
  };
  int32_t& num_owners(Group& group, int32_t page) const;
  int32_t take_one(Group& group);

  std::vector<Group> groups_;
  std::vector<int32_t> free_slabs_;
  std::vector<int32_t> num_used_;  // pages, by slab
};

}  // namespace eet
